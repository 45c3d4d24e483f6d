"""Scores of one item: a row per system and source, a value or a reason for each; and what is said of a measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sepvae.errors import InputError
from sepvae.evaluation import IMPROVEMENT, MEASURES, measure_names
from sepvae.evaluation.contract import Description, ItemSignals, Measure, Refused, Score, Scores, Signal
from sepvae.evaluation.rows import ScoreRow

# The reason of an improvement over a mixture that has no value is that of the mixture, behind this.
_MIXTURE_REASON = "mixture_"
# Of measures that are not known, such as those of a plug-in that is not loaded.
_DECIMALS = 3


def describe(name: str, known: Mapping[str, Description] | None = None) -> Description:
    """Return how a measure, or the improvement of one, is shown; one that is not known keeps its name.

    Args:
        name: of the measure or improvement.
        known: measures that are described already, such as those of a stored result; they come before the table.

    Example:
        >>> describe("sdr_bsseval_v3_512_improvement").heading, describe("loudness").heading
        ('SDR gain (dB)', 'loudness')
    """
    base = name.removesuffix(IMPROVEMENT)
    if known and base in known:
        found = known[base]
    elif base in MEASURES:
        found = _resolve(base).description
    else:
        found = Description(base, decimals=_DECIMALS, better=None, shown=())
    return found if base == name else found.improvement


def _resolve(name: str) -> Measure:
    found: Measure = MEASURES.resolve(name.removesuffix(IMPROVEMENT))
    return found


def score(
    *,
    references: Mapping[str, ArrayLike],
    estimates: Mapping[str, ArrayLike],
    mixture: ArrayLike,
    sample_rate: int,
    system: str,
    item: str,
    measures: Sequence[str] | None = None,
    noise: ArrayLike | None = None,
) -> list[ScoreRow]:
    """Score one system's estimates of the sources of one mixture; arguments as `score_systems`.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> female, male = generator.standard_normal((2, 16000))
        >>> rows = score(
        ...     references={"female": female, "male": male},
        ...     estimates={"female": female + 0.1 * male, "male": 0 * male},
        ...     mixture=female + male, sample_rate=16000, system="demo", item="1", measures=["si_sdr"],
        ... )
        >>> round(rows[0].values["si_sdr"]), rows[1].reasons
        (20, {'si_sdr': 'silent_estimate'})
    """
    return score_systems(
        references=references,
        estimates={system: estimates},
        mixture=mixture,
        sample_rate=sample_rate,
        item=item,
        measures=measures,
        noise=noise,
    )


def score_systems(
    *,
    references: Mapping[str, ArrayLike],
    estimates: Mapping[str, Mapping[str, ArrayLike]],
    mixture: ArrayLike,
    sample_rate: int,
    item: str,
    measures: Sequence[str] | None = None,
    noise: ArrayLike | None = None,
    floor: str | None = None,
) -> list[ScoreRow]:
    """Score several systems' estimates of the sources of one mixture; what they share is computed once.

    Everything is computed in float64. A measure that has no value is NaN with a reason:

    - of the signals: `silent_reference`, `silent_estimate`, `not_finite`, `too_short`, `too_long` (PESQ),
      `sample_rate_too_low` (PESQ), `no_utterance` (PESQ hears no speech);
    - of BSSEval: `reference_not_finite` (another source's), `one_source` (SIR and SAR need two that are not silent),
      `no_noise` and `noise_not_finite` (its SNR needs the noise), `mixture_has_no_artifacts` (the SAR of a mixture
      that is the sum of its sources, and any improvement over it);
    - of the numbers: `infinite` and `minus_infinite` (ratios beyond ±200 dB, which are rounding), `undefined`;
    - of the packages: `pesq_not_installed`, `pystoi_not_installed`, `pesq_failed`;
    - `mixture_` with one of these: an improvement over a mixture that has no value itself.

    Args:
        references: true sources (time,) by name.
        estimates: estimated sources (time,) by system and name.
        mixture: mixture (time,) that the improvements refer to.
        sample_rate: rate of all signals in Hz.
        item: name of the mixture.
        measures: names out of `measure_names()`, by default all that the signals allow.
        noise: noise (time,) as it is in the mixture.
        floor: a name under which the mixture is scored as well, as an estimate of each source.

    Returns:
        One row per system and source, in the order they were given, those of the mixture last.

    Raises:
        ConfigError: a measure is not known.
        InputError: shapes or lengths differ, or a system lacks a source or has one too many.
    """
    names = list(references)
    if not names:
        raise InputError(f"item {item!r}: there are no references: at least one source is needed to score")
    wanted = list(measures) if measures is not None else default_measures(with_noise=noise is not None)
    mixed = _signal(mixture, f"item {item!r}, mixture")
    length = mixed.size
    true = _stack(references, names, length, f"item {item!r}, reference")
    copies = np.broadcast_to(mixed, true.shape)
    sets, index = [copies], {}
    for system, estimate in estimates.items():
        signals = _stack(estimate, names, length, f"item {item!r}, system {system!r}, estimate")
        if np.array_equal(signals, copies):
            index[system] = 0
        else:
            index[system] = len(sets)
            sets.append(signals)
    if floor is not None:
        index[floor] = 0
    known_noise = None if noise is None else _signal(noise, f"item {item!r}, noise", length)
    scores = _measure(ItemSignals(true, np.stack(sets), known_noise, sample_rate), wanted)
    rows = []
    for system, position in index.items():
        for source, name in enumerate(names):
            chosen = {measure: _pick(scores, measure, position, source) for measure in wanted}
            rows.append(_row(system, item, name, chosen))
    return rows


def report_missing_packages(measures: Sequence[str] | None = None) -> list[str]:
    """Log, once per process, and return which of the measures will have no value for want of a package."""
    loads = {name: _resolve(name).load_package for name in measures or MEASURES}
    return [name for name, load in loads.items() if load is not None and load() is None]


def default_measures(*, with_noise: bool) -> list[str]:
    """Return the names of all measures and improvements, without those that need a noise where there is none."""
    return [name for name in measure_names() if with_noise or not _resolve(name).needs_noise]


def _measure(item: ItemSignals, wanted: Sequence[str]) -> dict[str, Scores]:
    """Return the scores by every measure that is wanted or whose improvement is."""
    return {name: _resolve(name)(item) for name in dict.fromkeys(name.removesuffix(IMPROVEMENT) for name in wanted)}


def _pick(scores: Mapping[str, Scores], measure: str, position: int, source: int) -> Score:
    base = measure.removesuffix(IMPROVEMENT)
    value, floor = scores[base][position][source], scores[base][0][source]
    if measure == base or isinstance(value, Refused):
        return value
    if isinstance(floor, Refused):
        return Refused(_MIXTURE_REASON + floor.reason.removeprefix(_MIXTURE_REASON))
    return floor - value if describe(base).better == "lower" else value - floor


def _row(system: str, item: str, source: str, scores: Mapping[str, Score]) -> ScoreRow:
    reasons = {name: score.reason for name, score in scores.items() if isinstance(score, Refused)}
    values = {name: np.nan if isinstance(score, Refused) else score for name, score in scores.items()}
    return ScoreRow(system, item, source, values, reasons)


def _signal(wave: ArrayLike, what: str, length: int | None = None) -> Signal:
    """Return a wave (time,) in float64; InputError when it is something else or of another length."""
    signal = np.asarray(wave)
    if signal.ndim != 1:
        hint = ": transposed, or several channels?" if signal.ndim == 2 else ""
        raise InputError(f"{what} has shape {signal.shape}, expected one channel (time,){hint}")
    if signal.dtype.kind not in "fiu":
        raise InputError(f"{what} holds {signal.dtype} values, expected real numbers")
    if length is not None and signal.size != length:
        raise InputError(f"{what} has shape {signal.shape}, the mixture ({length},): cut or pad them to one length")
    return signal.astype(np.float64)


def _stack(waves: Mapping[str, ArrayLike], names: Sequence[str], length: int, what: str) -> Signal:
    missing, surplus = [name for name in names if name not in waves], [name for name in waves if name not in names]
    if missing or surplus:
        raise InputError(
            f"{what}s are named {', '.join(map(repr, waves)) or 'nothing'}, the references "
            f"{', '.join(map(repr, names))}: give one for each reference under its name"
        )
    return np.stack([_signal(waves[name], f"{what} {name!r}", length) for name in names])

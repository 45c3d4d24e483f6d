"""SDR, SIR and SAR of BSSEval v3 for single-channel sources (Vincent, Gribonval and Févotte 2006), batched, in float64.

An estimate is split into target (its projection onto the delayed copies of its own reference), interference (what the
delayed copies of all references add to that) and artifacts (the rest).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sepvae.errors import ConfigError, InputError
from sepvae.evaluation.projection import ReferenceSpan

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# Items are worked through in groups whose Gram matrices stay below this: on a CPU they fit its cache.
_GROUP_BYTES_CPU = 1 << 23
_GROUP_BYTES_OTHER = 1 << 30
# Beyond every score that means something.
_WORST_DB = 1e3
# Energies in this range and its inverse square without underflow or overflow.
_SAFE_ENERGY = 1e-100


class BssEval(NamedTuple):
    """Scores in dB (…, n_sources) and how they came about; a score that is not defined is NaN.

    `permutation` (…, n_sources) names the estimate that was scored against each reference, `active` (…, n_sources)
    the references that took part (silent ones cannot), `least_squares` (…) the items whose references are linearly
    dependent, for which the shortest filters were taken.
    """

    sdr: Tensor
    sir: Tensor
    sar: Tensor
    permutation: Tensor
    active: Tensor
    least_squares: Tensor


def bss_eval_sources(
    *,
    references: Tensor | NDArray[Any],
    estimates: Tensor | NDArray[Any],
    n_taps: int = 512,
    permutation: Literal["fixed", "best"] = "fixed",
) -> BssEval:
    """Score estimated sources by BSSEval v3, up to a filter of `n_taps` taps per source.

    A silent (all zero) reference has no score, and the others are scored without it. A silent estimate has no score.
    Neither has an estimate with NaN or infinite samples, nor an item with such a reference. SIR and SAR need two
    active references: with one they say nothing beyond the SDR.

    Args:
        references: true sources (…, n_sources, time); computed in float64 whatever comes in.
        estimates: estimated sources, same shape.
        n_taps: length of the allowed distortion filter in samples; 512 in BSSEval v3.
        permutation: `fixed` scores estimate k against reference k; `best` searches the assignment with the highest
            mean SIR.

    Returns:
        Scores in dB, (…, n_sources).

    Raises:
        InputError: the shapes differ, have no source axis or look transposed, or there are fewer samples than
            filter coefficients.
        ConfigError: `n_taps` or `permutation` is not a possible value.

    Source:
        Vincent, Gribonval and Févotte 2006; the filters of their Section III.B.

    Example:
        >>> import torch
        >>> noise = torch.randn(3, 8000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> scores = bss_eval_sources(references=noise[:2], estimates=noise[:2] + 0.1 * noise[2])
        >>> [round(float(score)) for score in scores.sdr]
        [20, 20]
    """
    import torch

    if permutation not in ("fixed", "best"):
        raise ConfigError(f"unknown permutation {permutation!r}: choose 'fixed' or 'best'")
    true, estimated = _as_float64(references), _as_float64(estimates)
    _check_shapes(tuple(true.shape), tuple(estimated.shape), n_taps)
    n_sources = true.shape[-2]
    pairs = torch.arange(n_sources, device=true.device)[:, None]
    if permutation == "best":
        pairs = pairs.mT.expand(n_sources, n_sources)
    scores = score_pairs(
        references=true.reshape(-1, *true.shape[-2:]),
        estimates=estimated.to(true.device).reshape(-1, *true.shape[-2:]),
        pairs=pairs,
        n_taps=n_taps,
    )
    chosen = _best_assignment(scores)[..., None]
    batch = true.shape[:-2]

    def pick(candidates: Tensor) -> Tensor:
        return candidates.gather(-1, chosen).reshape(*batch, n_sources)

    return BssEval(
        sdr=pick(scores.sdr),
        sir=pick(scores.sir),
        sar=pick(scores.sar),
        permutation=pick(pairs.expand(len(chosen), -1, -1)),
        active=scores.active.reshape(*batch, n_sources),
        least_squares=scores.least_squares.reshape(batch),
    )


class PairScores(NamedTuple):
    """Scores in dB (batch, n_sources, n_candidates), and `active` and `least_squares` as in `BssEval`."""

    sdr: Tensor
    sir: Tensor
    sar: Tensor
    active: Tensor
    least_squares: Tensor


def score_pairs(*, references: Tensor, estimates: Tensor, pairs: Tensor, n_taps: int) -> PairScores:
    """Score chosen estimates against each reference; shapes are checked by the caller.

    Args:
        references: true sources (batch, n_sources, time) float64.
        estimates: estimated signals (batch, n_estimates, time) float64.
        pairs: for each source the estimates to score against it, indices (n_sources, n_candidates).
        n_taps: length of the allowed filter in samples.
    """
    import torch

    gram_bytes = (references.shape[1] * n_taps) ** 2 * references.element_size()
    on_cpu = references.device.type == "cpu"
    size = max(1, (_GROUP_BYTES_CPU if on_cpu else _GROUP_BYTES_OTHER) // gram_bytes)
    groups = [slice(start, start + size) for start in range(0, len(references), size)]
    scores = [_score_group(references[group], estimates[group], pairs, n_taps) for group in groups]
    return PairScores(*(torch.cat(parts) for parts in zip(*scores, strict=True)))


def _score_group(references: Tensor, estimates: Tensor, pairs: Tensor, n_taps: int) -> PairScores:
    import torch

    references, scale, reference_finite = _unit_scale(references)
    estimates, estimate_scale, estimate_finite = _unit_scale(estimates)
    span = ReferenceSpan(references, scale, n_taps)
    correlations = span.correlate(estimates)
    estimates = span.extend(estimates)
    joint = span.filter(span.fit_first(references.shape[1], correlations))
    joint_to_artifacts = _ratio_db(joint, estimates - joint)
    sdr, sir, sar = [], [], []
    for source, candidates in enumerate(pairs):
        target = span.filter(span.fit_one(source, correlations[:, candidates]), source)
        sdr.append(_ratio_db(target, estimates[:, candidates] - target))
        sir.append(_ratio_db(target, joint[:, candidates] - target))
        sar.append(joint_to_artifacts[:, candidates])
    active = scale > 0
    defined = (estimate_finite & (estimate_scale > 0))[:, pairs]
    defined = defined & active[..., None] & reference_finite.all(-1)[:, None, None]
    separable = defined & (active.sum(-1) > 1)[:, None, None]
    return PairScores(
        torch.stack(sdr, 1).masked_fill(~defined, torch.nan),
        torch.stack(sir, 1).masked_fill(~separable, torch.nan),
        torch.stack(sar, 1).masked_fill(~separable, torch.nan),
        active,
        span.singular,
    )


def _unit_scale(signals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return signals (…, time), what brings each to unit energy (…), 0 for silence, and which are finite (…).

    Signals that are not finite come back as zeros; signals whose energy would overflow or underflow come back scaled.
    """
    import torch

    energy = torch.linalg.vecdot(signals, signals)
    if bool(((energy > _SAFE_ENERGY) & (energy < 1 / _SAFE_ENERGY)).all()):
        return signals, energy.rsqrt(), torch.ones_like(energy, dtype=torch.bool)
    finite = signals.isfinite().all(-1)
    signals = torch.where(finite[..., None], signals, 0.0)
    peak = signals.abs().amax(-1, keepdim=True)
    signals = signals / torch.where(peak > 0, peak, 1.0)
    energy = torch.linalg.vecdot(signals, signals)
    return signals, torch.where(energy > 0, energy.rsqrt(), 0.0), finite


def _ratio_db(signal: Tensor, error: Tensor) -> Tensor:
    """Return the ratio of energies in dB (…) of signals (…, time)."""
    import torch

    ratio: Tensor = torch.linalg.vecdot(signal, signal).log10() - torch.linalg.vecdot(error, error).log10()
    return 10 * ratio


def criterion(scores: PairScores) -> Tensor:
    """Return what the best permutation has most of (batch, n_sources, n_candidates): SIR, or SDR where it has none.

    A pair without either comes last: it is taken only where nothing else is left. Infinite scores do not upset a sum.
    """
    import torch

    return torch.where(scores.sir.isnan(), scores.sdr, scores.sir).nan_to_num(-_WORST_DB).clamp(-_WORST_DB, _WORST_DB)


def _best_assignment(scores: PairScores) -> Tensor:
    """Return which candidate of each source (batch, n_sources) gives the highest mean SIR (SDR where it has none)."""
    import torch
    from scipy.optimize import linear_sum_assignment

    if scores.sdr.shape[-1] == 1:
        return torch.zeros(scores.sdr.shape[:2], dtype=torch.int64, device=scores.sdr.device)
    chosen = [linear_sum_assignment(item, maximize=True)[1].tolist() for item in criterion(scores).cpu().numpy()]
    return torch.tensor(chosen, device=scores.sdr.device)


def _as_float64(signals: Tensor | NDArray[Any]) -> Tensor:
    import numpy as np
    import torch

    tensor = signals.detach() if isinstance(signals, torch.Tensor) else torch.as_tensor(np.ascontiguousarray(signals))
    if tensor.is_complex():
        raise InputError("signals are complex: expected real samples (…, n_sources, time)")
    return tensor.to(torch.float64)


def _check_shapes(references: tuple[int, ...], estimates: tuple[int, ...], n_taps: int) -> None:
    if n_taps < 1:
        raise ConfigError(f"n_taps is {n_taps}: a filter has at least one tap")
    received = f"references have shape {references}, estimates {estimates}"
    if references != estimates:
        raise InputError(
            f"{received}: both must be (…, n_sources, time) with the same sizes; is one transposed or cut?"
        )
    if len(references) < 2 or 0 in references:
        raise InputError(f"{received}: expected (…, n_sources, time) with at least one source and sample")
    n_sources, n_samples = references[-2:]
    if n_sources > n_samples:
        raise InputError(f"{received}: more sources than samples; transpose them to (…, n_sources, time)")
    if n_samples < n_sources * n_taps:
        raise InputError(
            f"{received}: {n_samples} samples are too few for {n_sources} filters of {n_taps} taps: "
            f"at least {n_sources * n_taps} samples are needed"
        )


def bss_eval_noise(*, references: Tensor, noise: Tensor, estimates: Tensor, n_taps: int = 512) -> Tensor:
    """Return the sources to noise ratio in dB (n_estimates,) of estimates of sources mixed with a known noise.

    What the delayed copies of the noise add to those of all sources is the noise in an estimate. NaN for estimates
    that are silent or not finite, and for all where a reference or the noise is not finite.

    Args:
        references: true sources (n_sources, time).
        noise: noise as it is in the mixture (time,), not silent.
        estimates: estimated sources (n_estimates, time).
        n_taps: length of the allowed filter in samples.

    Source:
        Vincent, Gribonval and Févotte 2006; Singh and Ogunfunmi 2022: 10 log₁₀(|s_target + e_interf|² / |e_noise|²).
    """
    import torch

    signals = torch.cat([references, noise[None]]).to(torch.float64)[None]
    known, scale, known_finite = _unit_scale(signals)
    estimates, estimate_scale, finite = _unit_scale(estimates.to(torch.float64)[None])
    span = ReferenceSpan(known, scale, n_taps)
    correlations = span.correlate(estimates)
    sources = span.filter(span.fit_first(len(references), correlations))
    everything = span.filter(span.fit_first(len(references) + 1, correlations))
    ratio = _ratio_db(sources, everything - sources)
    return ratio.masked_fill(~(finite & (estimate_scale > 0)) | ~known_finite.all(), torch.nan)[0]

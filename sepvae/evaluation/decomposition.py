"""BSSEval's measures of an item, with a reason for each score that is not defined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sepvae.evaluation.bsseval import bss_eval_noise, score_pairs
from sepvae.evaluation.contract import ItemSignals, Place, Refused, Score, Scores, Signal, decibels, measure

_N_TAPS = 512
_EVERYWHERE: tuple[Place, ...] = ("violin", "test", "player")
# A mixture that is the sum of its sources has no artifacts in BSSEval's sense but those of rounding: 16-bit files
# leave 70 dB and more, so a mixture above this has none, and its SAR measures the file format.
_NO_ARTIFACTS_DB = 60.0
NO_ARTIFACTS = Refused("mixture_has_no_artifacts")


@measure("SDR", "dB", shown=_EVERYWHERE, ignores_scale=True)
def sdr(item: ItemSignals) -> Scores:
    """Score by the SDR; estimate k is scored against reference k (the permutation is fixed)."""
    return item.once(_sdr_sir_sar)[0]


@measure("SIR", "dB", shown=_EVERYWHERE, ignores_scale=True)
def sir(item: ItemSignals) -> Scores:
    """Score by the SIR, as of `sdr`."""
    return item.once(_sdr_sir_sar)[1]


@measure("SAR", "dB", shown=_EVERYWHERE, ignores_scale=True)
def sar(item: ItemSignals) -> Scores:
    """Score by the SAR, as of `sdr`; a mixture that is the sum of its sources has none."""
    mixture, *estimates = item.once(_sdr_sir_sar)[2]
    return [[_without_artifacts(score) for score in mixture], *estimates]


def _without_artifacts(score: Score) -> Score:
    """Return the SAR of a mixture."""
    endless = score == Refused("infinite") or (isinstance(score, float) and score > _NO_ARTIFACTS_DB)
    return NO_ARTIFACTS if endless else score


def _sdr_sir_sar(item: ItemSignals) -> tuple[Scores, Scores, Scores]:
    import torch

    n_sets, n_sources, _ = item.estimates.shape
    if refused := _no_projection(item, item.references):
        everywhere = _refuse_all(item, refused)
        return everywhere, everywhere, everywhere
    scores = score_pairs(
        references=torch.as_tensor(item.references)[None],
        estimates=torch.as_tensor(item.estimates).flatten(0, 1)[None],
        pairs=torch.arange(n_sets * n_sources).reshape(n_sets, n_sources).T,
        n_taps=_N_TAPS,
    )
    sdr_db, sir_db, sar_db = (score[0].T.tolist() for score in (scores.sdr, scores.sir, scores.sar))
    one_source = Refused("one_source") if int(scores.active.sum()) < 2 else None
    return _scores(item, sdr_db), _scores(item, sir_db, one_source), _scores(item, sar_db, one_source)


@measure("Noise SNR", "dB", shown=(), ignores_scale=True, needs_noise=True)
def snr_of_noise(item: ItemSignals) -> Scores:
    """Score by the SNR of BSSEval, which needs the noise of the mixture."""
    import torch

    n_sets, n_sources, _ = item.estimates.shape
    if item.noise is None or not item.noise.any():
        return _refuse_all(item, Refused("no_noise"))
    if refused := _no_projection(item, np.vstack([item.references, item.noise])):
        return _refuse_all(item, refused)
    scores = bss_eval_noise(
        references=torch.as_tensor(item.references),
        noise=torch.as_tensor(item.noise),
        estimates=torch.as_tensor(item.estimates).flatten(0, 1),
        n_taps=_N_TAPS,
    )
    return _scores(item, scores.reshape(n_sets, n_sources).tolist())


def _no_projection(item: ItemSignals, onto: Signal) -> Refused | None:
    """Return why nothing can be projected onto the signals (n_signals, time), if so."""
    n_signals, n_samples = onto.shape
    if n_samples < n_signals * _N_TAPS:
        return Refused("too_short")
    if not np.isfinite(item.references).all():
        return Refused("reference_not_finite")
    return None if np.isfinite(onto).all() else Refused("noise_not_finite")


def _refuse_all(item: ItemSignals, refused: Refused) -> Scores:
    return [[known or refused for known in refusals] for refusals in item.refusals]


def _scores(item: ItemSignals, values: Sequence[Sequence[float]], undefined: Refused | None = None) -> Scores:
    """Return the scores of values in dB (n_sets, n_sources)."""
    return [
        [known or undefined or decibels(value) for known, value in zip(refusals, row, strict=True)]
        for refusals, row in zip(item.refusals, values, strict=True)
    ]

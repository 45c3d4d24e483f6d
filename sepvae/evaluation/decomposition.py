"""BSSEval's measures of a trial, with a reason for each score that is not defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sepvae.evaluation.bsseval import bss_eval_noise, score_pairs
from sepvae.evaluation.trial import Outcomes, Refused, Signal, Trial, decibels

if TYPE_CHECKING:
    from torch import Tensor

_N_TAPS = 512


def sdr_sir_sar(trial: Trial) -> dict[str, Outcomes]:
    """Score by SDR, SIR and SAR; estimate k is scored against reference k (the permutation is fixed)."""
    import torch

    n_sets, n_sources, _ = trial.estimates.shape
    names = ("sdr_bsseval_v3_512", "sir_bsseval_v3_512", "sar_bsseval_v3_512")
    if refused := _no_projection(trial, trial.references):
        return {name: _refuse_all(trial, refused) for name in names}
    scores = score_pairs(
        references=torch.as_tensor(trial.references)[None],
        estimates=torch.as_tensor(trial.estimates).flatten(0, 1)[None],
        pairs=torch.arange(n_sets * n_sources).reshape(n_sets, n_sources).T,
        n_taps=_N_TAPS,
    )
    values = {name: score[0].T for name, score in zip(names, scores[:3], strict=True)}
    one_source = Refused("one_source") if int(scores.active.sum()) < 2 else None
    return {
        name: _outcomes(trial, score, None if name.startswith("sdr") else one_source) for name, score in values.items()
    }


def snr_of_noise(trial: Trial) -> dict[str, Outcomes]:
    """Score by the SNR of BSSEval, which needs the noise of the mixture."""
    import torch

    name = "snr_bsseval_v3_512"
    n_sets, n_sources, _ = trial.estimates.shape
    if trial.noise is None or not trial.noise.any():
        return {name: _refuse_all(trial, Refused("no_noise"))}
    if refused := _no_projection(trial, np.vstack([trial.references, trial.noise])):
        return {name: _refuse_all(trial, refused)}
    scores = bss_eval_noise(
        references=torch.as_tensor(trial.references),
        noise=torch.as_tensor(trial.noise),
        estimates=torch.as_tensor(trial.estimates).flatten(0, 1),
        n_taps=_N_TAPS,
    )
    return {name: _outcomes(trial, scores.reshape(n_sets, n_sources), None)}


def _no_projection(trial: Trial, onto: Signal) -> Refused | None:
    """Return why nothing can be projected onto the signals (n_signals, time), if so."""
    n_signals, n_samples = onto.shape
    if n_samples < n_signals * _N_TAPS:
        return Refused("too_short")
    if not np.isfinite(trial.references).all():
        return Refused("reference_not_finite")
    return None if np.isfinite(onto).all() else Refused("noise_not_finite")


def _refuse_all(trial: Trial, refused: Refused) -> Outcomes:
    return [[known or refused for known in refusals] for refusals in trial.refusals]


def _outcomes(trial: Trial, scores: Tensor, undefined: Refused | None) -> Outcomes:
    """Return the outcomes of scores (n_sets, n_sources)."""
    return [
        [known or undefined or decibels(value) for known, value in zip(refusals, values, strict=True)]
        for refusals, values in zip(trial.refusals, scores.tolist(), strict=True)
    ]

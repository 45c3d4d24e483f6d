"""Updates of demixing matrices that never raise the objective: iterative projection and iterative source steering.

The objective of a bin, up to constants, is Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W|. Shapes as in `covariance`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.covariance import Observation

UpdateName = Annotated[str, UPDATES]
# One sweep over the sources that does not raise the objective: from demixing matrices, the spectra y = W x that they
# separate, the observation and inverse variances to better matrices and spectra. What comes in is left as it is.
Update = Callable[[Tensor, Tensor, Observation, Tensor], tuple[Tensor, Tensor]]

_LEAST_ENERGY = 1e-30


def takes_past(update: Update) -> Update:
    """Mark an update that takes channels of the past (`with_past`), as prediction of late reverberation needs."""
    cast("Any", update).takes_past = True
    return update


def updates_with_past() -> list[str]:
    """Return the names of the updates that take channels of the past."""
    return [name for name in UPDATES if getattr(UPDATES.resolve(name), "takes_past", False)]


def log_determinants(demixing: Tensor) -> Tensor:
    """Return Σ over bins of log|det W|, (batch,), of matrices (batch, bins, sources, channels)."""
    if demixing.shape[-1] == 2:
        return _determinants_2x2(demixing).abs().log().sum(-1)
    log_abs: Tensor = torch.linalg.slogdet(demixing).logabsdet
    return log_abs.sum(-1)


def _determinants_2x2(matrices: Tensor) -> Tensor:
    return matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]


def _solve_for_unit(matrices: Tensor, place: int) -> Tensor:
    """Return the column `place` of the inverse of matrices (…, n, n), (…, n)."""
    if matrices.shape[-1] == 2:
        # Cramer's rule: a batched LU of so many so small matrices takes ten times as long. The determinant of a silent
        # bin is beyond the range of single precision, unless its scale is taken out.
        scale = matrices.abs().amax((-2, -1), keepdim=True)
        scaled = matrices / scale
        row = scaled[..., 1 - place, :].flip(-1) / _determinants_2x2(scaled)[..., None] / scale[..., 0]
        return row * row.new_tensor([1, -1] if place == 0 else [-1, 1])
    unit = torch.zeros_like(matrices[..., :1])
    unit[..., place, 0] = 1
    solution: Tensor = torch.linalg.solve(matrices, unit)
    return solution[..., 0]


@takes_past
def iterative_projection(
    demixing: Tensor,
    separated: Tensor,  # noqa: ARG001
    observation: Observation,
    weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return matrices and separated spectra after one sweep of iterative projection over the sources (IP).

    Further channels are the past (`with_past`): each source has filters of its own that take the late reverberation out
    of it, the best for its demixing vector, so that both descend the objective together.

    Args:
        demixing: (batch, bins, sources, channels), as many sources as channels without the past.
        separated: y = W x, which only the new matrices decide.
        observation: what is demixed.
        weights: inverse variances (batch, bins or 1, frames, sources).

    Source: Ono 2011; Kameoka et al. 2019; with the past Ikeshita et al. 2019.
    """
    covariances, updated = observation.covariances(weights), demixing.clone()
    n_sources = demixing.shape[2]
    for place in range(n_sources):
        covariance, filters = _without_past(covariances[:, :, place], n_sources)
        vector = _solve_for_unit(updated[..., :n_sources] @ covariance, place)
        energy = (vector.conj()[..., None, :] @ covariance @ vector[..., None])[..., 0, 0].real
        vector = vector * energy.clamp_min(_LEAST_ENERGY).rsqrt()[..., None]
        if filters is not None:
            vector = torch.cat([vector, -(filters @ vector[..., None])[..., 0]], dim=-1)
        updated[:, :, place] = vector.conj()
    return updated, updated @ observation.spectrum


def _without_past(covariance: Tensor, n_now: int) -> tuple[Tensor, Tensor | None]:
    """Return the covariance of what the past does not predict of the present, and the filters that predict it.

    The present is the first `n_now` channels of covariances (…, channels, channels); filters (…, past, present).
    """
    if covariance.shape[-1] == n_now:
        return covariance, None
    across, past = covariance[..., n_now:, :n_now], covariance[..., n_now:, n_now:]
    filters = torch.linalg.solve(past, across)
    return covariance[..., :n_now, :n_now] - across.mH @ filters, filters


def iterative_source_steering(
    demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return matrices and separated spectra after one sweep of iterative source steering over the sources (ISS).

    No matrix is inverted, so that a sweep costs sources² and not sources³ a bin and frame.

    Args:
        demixing: (batch, bins, sources, channels).
        separated: y = W x, (batch, bins, sources, frames).
        observation: what is demixed; the noise of its channels counts as in `iterative_projection`.
        weights: inverse variances (batch, bins or 1, frames, sources).

    Source: Scheibler & Ono 2020.
    """
    demixing, separated = demixing.clone(), separated.clone()
    shares, n_frames = weights.transpose(2, 3), separated.shape[3]
    noise = observation.noise[:, :, None] * shares.sum(-1)
    for place in range(separated.shape[2]):
        own, row = separated[:, :, place], demixing[:, :, place]
        power = own.real.square() + own.imag.square()
        # Of every source, how much of it this one explains: (batch, bins, sources).
        found = ((shares * separated) @ own.conj()[..., None] + noise[..., None] * (demixing @ row.conj()[..., None]))[
            ..., 0
        ]
        energy = (shares @ power[..., None])[..., 0] + noise * (row.real.square() + row.imag.square()).sum(-1)[
            ..., None
        ]
        energy = energy.clamp_min(_LEAST_ENERGY)
        step = found / energy
        step[:, :, place] = 1 - (energy[:, :, place] / n_frames).rsqrt()
        separated -= step[..., None] * own[:, :, None]
        demixing -= step[..., None] * demixing[:, :, place, None]
    return demixing, separated

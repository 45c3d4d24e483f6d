"""Updates of demixing matrices that never raise the objective: iterative projection and iterative source steering.

The objective of a bin, up to constants, is Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W|. Shapes as in `covariance`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.demixing.covariance import OuterProducts

_LEAST_ENERGY = 1e-30


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
        # Cramer's rule: a batched LU of so many so small matrices takes ten times as long.
        row = matrices[..., 1 - place, :].flip(-1) / _determinants_2x2(matrices)[..., None]
        return row * row.new_tensor([1, -1] if place == 0 else [-1, 1])
    unit = torch.zeros_like(matrices[..., :1])
    unit[..., place, 0] = 1
    solution: Tensor = torch.linalg.solve(matrices, unit)
    return solution[..., 0]


def project(demixing: Tensor, products: OuterProducts, weights: Tensor) -> Tensor:
    """Return demixing matrices after one sweep of iterative projection over the sources (IP).

    Args:
        demixing: (batch, bins, sources, channels), as many sources as channels.
        products: of the recording.
        weights: inverse variances (batch, bins or 1, frames, sources).

    Source: Ono 2011, Eqs. (18)–(19); Kameoka et al. 2019, Eqs. (8)–(9).
    """
    covariances, updated = products.weighted(weights), demixing.clone()
    for place in range(demixing.shape[2]):
        covariance = covariances[:, :, place]
        vector = _solve_for_unit(updated @ covariance, place)
        energy = (vector.conj()[..., None, :] @ covariance @ vector[..., None])[..., 0, 0].real
        updated[:, :, place] = (vector * energy.clamp_min(_LEAST_ENERGY).rsqrt()[..., None]).conj()
    return updated


def steer(
    demixing: Tensor, separated: Tensor, products: OuterProducts, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return matrices and separated spectra after one sweep of iterative source steering over the sources (ISS).

    No matrix is inverted, so that a sweep costs sources² and not sources³ a bin and frame.

    Args:
        demixing: (batch, bins, sources, channels).
        separated: y = W x, (batch, bins, sources, frames).
        products: of the recording, whose microphones' noise counts as in `project`.
        weights: inverse variances (batch, bins or 1, frames, sources).

    Source: Scheibler & Ono 2020, Eqs. (6)–(8).
    """
    demixing, separated = demixing.clone(), separated.clone()
    shares, n_frames = weights.transpose(2, 3), separated.shape[3]
    noise = products.noise[:, :, None] * shares.sum(-1)
    for place in range(separated.shape[2]):
        own, row = separated[:, :, place], demixing[:, :, place]
        power = own.real.square() + own.imag.square()
        # Of every source, how much of it this one explains: (batch, bins, sources).
        found = ((shares * separated) @ own.conj()[..., None] + noise[..., None] * (demixing @ row.conj()[..., None]))[..., 0]
        energy = (shares @ power[..., None])[..., 0] + noise * (row.real.square() + row.imag.square()).sum(-1)[..., None]
        energy = energy.clamp_min(_LEAST_ENERGY)
        step = found / energy
        step[:, :, place] = 1 - (energy[:, :, place] / n_frames).rsqrt()
        separated -= step[..., None] * own[:, :, None]
        demixing -= step[..., None] * demixing[:, :, place, None]
    return demixing, separated

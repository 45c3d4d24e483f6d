"""Hermitian matrices as real vectors, so that sums over sources or frames are real matrix products.

A matrix of n channels is n² numbers: its diagonal, then the real and the imaginary parts above it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def outer_products(spectrum: Tensor) -> Tensor:
    """Return x xᴴ of spectra (batch, bins, channels, frames) as vectors (batch, bins, channels², frames)."""
    first, second = torch.triu_indices(spectrum.shape[2], spectrum.shape[2], offset=1, device=spectrum.device)
    cross = spectrum[:, :, first] * spectrum[:, :, second].conj()
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.cat([power, cross.real, cross.imag], dim=2)


def to_matrices(vectors: Tensor, n_channels: int) -> Tensor:
    """Return the matrices (…, channels, channels) of vectors (…, channels²)."""
    first, second = torch.triu_indices(n_channels, n_channels, offset=1, device=vectors.device)
    power, real, imaginary = torch.split(vectors, [n_channels, len(first), len(first)], dim=-1)
    matrices = torch.diag_embed(torch.complex(power, torch.zeros_like(power)))
    cross = torch.complex(real, imaginary)
    matrices[..., first, second] = cross
    matrices[..., second, first] = cross.conj()
    return matrices


def to_vectors(matrices: Tensor) -> Tensor:
    """Return the vectors (…, channels²) of Hermitian matrices (…, channels, channels)."""
    n_channels = matrices.shape[-1]
    first, second = torch.triu_indices(n_channels, n_channels, offset=1, device=matrices.device)
    cross = matrices[..., first, second]
    return torch.cat([matrices.diagonal(dim1=-2, dim2=-1).real, cross.real, cross.imag], dim=-1)


def inner_weights(n_channels: int, like: Tensor) -> Tensor:
    """Return weights (channels²,) with which the inner product of two vectors is tr(A B): twice above the diagonal."""
    weights = like.new_full((n_channels**2,), 2.0)
    weights[:n_channels] = 1
    return weights


def _unit_2x2(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return positive definite matrices of two channels at a trace of 1, their determinants (…,), and their traces.

    The determinant of a quiet bin as it is would be beyond the range of single precision.
    """
    trace = matrices[..., 0, 0].real + matrices[..., 1, 1].real
    unit = matrices / trace[..., None, None]
    return unit, (unit[..., 0, 0] * unit[..., 1, 1] - unit[..., 0, 1] * unit[..., 1, 0]).real, trace


def inverse(matrices: Tensor) -> Tensor:
    """Return the inverses of positive definite matrices (…, channels, channels); of two channels by Cramer's rule."""
    if matrices.shape[-1] != 2:
        found: Tensor = torch.linalg.inv(matrices)
        return found
    unit, determinant, trace = _unit_2x2(matrices)
    rows = torch.stack(
        [
            torch.stack([unit[..., 1, 1], -unit[..., 0, 1]], dim=-1),
            torch.stack([-unit[..., 1, 0], unit[..., 0, 0]], dim=-1),
        ],
        dim=-2,
    )
    return rows / (determinant * trace)[..., None, None]


def log_determinant(matrices: Tensor) -> Tensor:
    """Return log det (…,) of positive definite matrices (…, channels, channels)."""
    if matrices.shape[-1] == 2:
        _, determinant, trace = _unit_2x2(matrices)
        return determinant.abs().log() + 2 * trace.log()
    log_abs: Tensor = torch.linalg.slogdet(matrices).logabsdet
    return log_abs


def _power(matrices: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrices)
    values = values.clamp_min(torch.finfo(values.dtype).tiny).pow(exponent)
    found: Tensor = (vectors * values[..., None, :].to(vectors)) @ vectors.mH
    return found


def geometric_mean(one: Tensor, other: Tensor) -> Tensor:
    """Return A # B = A^½ (A^−½ B A^−½)^½ A^½ of positive definite matrices (…, channels, channels): X A⁻¹ X = B."""
    root, inverse_root = _power(one, 0.5), _power(one, -0.5)
    middle = inverse_root @ other @ inverse_root
    return root @ _power((middle + middle.mH) / 2, 0.5) @ root

"""Covariances of the microphones, weighted by the inverse variances of the sources; batched over everything.

Complex spectra of several channels are (batch, bins, channels, frames) in this room, demixing matrices
(batch, bins, sources, channels): row j of a matrix is wⱼᴴ, so that y = W x.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Power of the noise that each microphone is thought to have of its own, as a share of the mean power of its bin. With it
# a bin that is silent, or heard alike by all microphones, stays invertible; as a part of the model, and not of the
# inversion, it leaves every update what it is: one that never raises the objective.
_NOISE = {torch.float32: 1e-6, torch.float64: 1e-9}
_LEAST = 1e-30


class OuterProducts:
    """All products xₘ xₙ* of the channels of a recording, as real numbers, so that a weighted sum is one real product.

    They are Hermitian: only channels² real numbers a frame are kept, the powers first. `noise` (batch, bins) is the
    power that each microphone has of its own.

    Args:
        spectrum: (batch, bins, channels, frames) complex.
    """

    def __init__(self, spectrum: Tensor) -> None:
        n_channels = spectrum.shape[2]
        self._upper = torch.triu_indices(n_channels, n_channels, offset=1, device=spectrum.device)
        first, second = self._upper
        cross = spectrum[:, :, first] * spectrum[:, :, second].conj()
        power = spectrum.real.square() + spectrum.imag.square()
        self.noise = power.mean((2, 3)) * _NOISE[power.dtype] + _LEAST
        power = power + self.noise[:, :, None, None]
        # (batch, bins, channels², frames)
        self.products = torch.cat([power, cross.real, cross.imag], dim=2)
        self.n_channels, self.n_frames = n_channels, spectrum.shape[3]

    def weighted(self, weights: Tensor) -> Tensor:
        """Return (1/N) Σₙ weightₙ (xₙ xₙᴴ + noise · I) for each source.

        Args:
            weights: (batch, bins or 1, frames, sources), not negative.

        Returns:
            Hermitian matrices (batch, bins, sources, channels, channels) complex.
        """
        sums = (self.products @ weights / self.n_frames).transpose(2, 3)
        count, (first, second) = self.n_channels, self._upper
        power, real, imaginary = sums.split([count, len(first), len(first)], dim=3)
        matrices = torch.diag_embed(torch.complex(power, torch.zeros_like(power)))
        cross = torch.complex(real, imaginary)
        matrices[..., first, second] = cross
        matrices[..., second, first] = cross.conj()
        return matrices

    def powers(self, demixing: Tensor, separated: Tensor) -> Tensor:
        """Return the powers of the separated sources, with what they have of the noise of the microphones.

        Args:
            demixing: W (batch, bins, sources, channels).
            separated: y = W x (batch, bins, sources, frames).

        Returns:
            |y|² + noise · ‖w‖², (batch, sources, bins, frames).
        """
        noise = self.noise[:, :, None] * (demixing.real.square() + demixing.imag.square()).sum(-1)
        power = separated.real.square() + separated.imag.square() + noise[..., None]
        return power.transpose(1, 2).contiguous()

"""Covariances of the microphones, weighted by the inverse variances of the sources; batched over everything.

Complex spectra of several channels are (batch, bins, channels, frames) in this room, demixing matrices
(batch, bins, sources, channels): row j of a matrix is wⱼᴴ, so that y = W x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.demixing.hermitian import outer_products, to_matrices

# Power of the noise that each microphone is thought to have of its own, as a share of the mean power of its bin. With
# it a bin that is silent, or heard alike by all microphones, stays invertible; as a part of the model, and not of the
# inversion, it leaves every update what it is: one that never raises the objective.
_NOISE = {torch.float32: 1e-6, torch.float64: 1e-9}
# A bin without sound is thought to have this share of the mean power of all bins.
_QUIETEST = 1e-10
_LEAST = 1e-30
# What products of two channels may take of the memory.
_MOST_BYTES = 1 << 28


def noise_floor(spectrum: Tensor) -> Tensor:
    """Return the power (batch, bins) that each channel of spectra (batch, bins, channels, frames) has of its own."""
    power = (spectrum.real.square() + spectrum.imag.square()).mean((2, 3))
    return power.maximum(_QUIETEST * power.mean(1, keepdim=True)) * _NOISE[power.dtype] + _LEAST


class Observation:
    """The spectrum that the microphones observe, ready for sums of xxᴴ over its frames under any weights.

    Args:
        spectrum: (batch, bins, channels, frames) complex.
        most_bytes: keep all products of two channels, which halves the time of the sums, when they take no more.

    `noise` (batch, bins) is the power that each channel is thought to have of its own.
    """

    def __init__(self, spectrum: Tensor, *, most_bytes: int = _MOST_BYTES) -> None:
        # As the STFT leaves it, frames lie a spectrum apart, and products over them take seven times as long.
        self.spectrum = spectrum = spectrum.contiguous()
        self.n_channels, self.n_frames = spectrum.shape[2:]
        self.noise = noise_floor(spectrum)
        size = spectrum.numel() * self.n_channels * spectrum.real.element_size()
        self._products = outer_products(spectrum) if size <= most_bytes else None

    def covariances(self, weights: Tensor) -> Tensor:
        """Return (1/N) Σₙ weightₙ (xₙ xₙᴴ + noise · I) for each source.

        Args:
            weights: (batch, bins or 1, frames, sources), not negative.

        Returns:
            Hermitian matrices (batch, bins, sources, channels, channels) complex.
        """
        noise = weights.mean(2) * self.noise[:, :, None]
        if self._products is None:
            adjoint = self.spectrum.mH
            each = [(self.spectrum * weights[:, :, None, :, j]) @ adjoint for j in range(weights.shape[3])]
            matrices = torch.stack(each, dim=2) / self.n_frames
        else:
            matrices = to_matrices(weights.mT @ self._products.mT / self.n_frames, self.n_channels)
        matrices.diagonal(dim1=3, dim2=4).add_(noise[..., None])
        return matrices

    def powers(self, demixing: Tensor, separated: Tensor) -> Tensor:
        """Return the powers of the separated sources, with what they have of the noise of the channels.

        Args:
            demixing: W (batch, bins, sources, channels).
            separated: y = W x (batch, bins, sources, frames).

        Returns:
            |y|² + noise · ‖w‖², (batch, sources, bins, frames).
        """
        noise = self.noise[:, :, None] * (demixing.real.square() + demixing.imag.square()).sum(-1)
        power = torch.addcmul(noise[..., None], separated.real, separated.real).addcmul_(separated.imag, separated.imag)
        return power.transpose(1, 2).contiguous()


def with_past(spectrum: Tensor, *, delay: int, n_taps: int) -> Tensor:
    """Return a spectrum with earlier frames of itself as further channels: those `delay` to `delay + n_taps − 1` ago.

    Args:
        spectrum: (batch, bins, channels, frames).

    Returns:
        (batch, bins, channels · (1 + n_taps), frames), the present first; there is silence before the first frame.
    """
    n_frames = spectrum.shape[3]
    past = [
        torch.nn.functional.pad(spectrum, (min(n, n_frames), 0))[..., :n_frames] for n in range(delay, delay + n_taps)
    ]
    return torch.cat([spectrum, *past], dim=2)

"""From demixed spectra, whose scale is arbitrary, to the images of the sources at a microphone."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.demixing.covariance import with_past

_LOAD, _LEAST = 1e-6, 1e-30


def mixing_matrices(demixing: Tensor) -> Tensor:
    """Return W⁻¹ (batch, bins, channels, sources); its column j is how the microphones hear source j."""
    inverse: Tensor = torch.linalg.inv(demixing)
    return inverse


def project_back(demixing: Tensor, separated: Tensor, *, reference: int = 0) -> Tensor:
    """Return the images of the sources at one microphone, which add up to what it hears.

    Args:
        demixing: W (batch, bins, sources, channels), square.
        separated: y = W x (batch, bins, sources, frames).
        reference: the microphone.

    Returns:
        Spectra (batch, bins, sources, frames).

    Source: Matsuoka & Nakashima 2001, the minimal distortion principle: [W⁻¹]ₘⱼ yⱼ, cheaper and better conditioned than
    the regression of the microphone on the sources.
    """
    return mixing_matrices(demixing)[:, :, reference, :, None] * separated


def project_back_with_past(observed: Tensor, separated: Tensor, *, n_taps: int) -> Tensor:
    """Return the images of sources whose late reverberation was taken out: what they and their past explain.

    The filters over the last frames of all sources are those that leave least of the microphone unexplained, which is
    shared out by the powers of the images, so that they add up to what it hears.

    Args:
        observed: spectrum of the microphone (batch, bins, frames).
        separated: (batch, bins, sources, frames).
        n_taps: earlier frames.
    """
    past = with_past(separated, delay=1, n_taps=n_taps)
    gram = past @ past.mH
    load = gram.diagonal(dim1=2, dim2=3).real.mean(-1) * _LOAD + _LEAST
    gram.diagonal(dim1=2, dim2=3).add_(load[..., None])
    filters = torch.linalg.solve(gram, past @ observed.conj()[..., None]).conj()
    n_batch, n_bins, n_sources, n_frames = separated.shape
    images = (filters * past).view(n_batch, n_bins, 1 + n_taps, n_sources, n_frames).sum(2)
    powers = images.real.square() + images.imag.square() + _LEAST
    left = observed - images.sum(2)
    whole: Tensor = images + left[:, :, None] * powers / powers.sum(2, keepdim=True)
    return whole

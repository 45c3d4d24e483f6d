"""From demixed spectra, whose scale is arbitrary, to the images of the sources at a microphone."""

from __future__ import annotations

import torch
from torch import Tensor


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

"""Masks from the estimated spectra of the sources; they add up to one, so the estimates add up to the mixture.

A mask of the table maps magnitudes (sources, …, frames, bins), non-negative, to the weight of each source, of the same
shape and non-negative; its share is its weight over the sum of all.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from sepvae.estimator import MASKS

MaskKind = Annotated[str, MASKS]
# Between these the square of the loudest source is a normal number of float32, and nothing needs to be scaled first.
_SAFE_MIN, _SAFE_MAX = 1e-15, 1e15


def ratio(magnitudes: Tensor) -> Tensor:
    """Weigh sources by their magnitudes (Singh & Ogunfunmi 2022, Eq. (90))."""
    return magnitudes


def wiener(magnitudes: Tensor) -> Tensor:
    """Weigh sources by their powers: the Wiener filter."""
    return magnitudes.pow(2)


def make_masks(magnitudes: Tensor, *, kind: MaskKind = "ratio") -> Tensor:
    """Return the share of each source in each bin.

    Args:
        magnitudes: (sources, …, frames, bins), non-negative.
        kind: a mask of the table, such as `ratio` of magnitudes, or `wiener`: of powers.

    Returns:
        Masks of the same shape in [0, 1] that add up to 1 over the sources; equal where all sources are 0.

    Raises:
        ConfigError: another kind of mask.

    Example:
        >>> make_masks(torch.tensor([[3.0], [1.0]]), kind="wiener").flatten().tolist()
        [0.8999999761581421, 0.10000000149011612]
    """
    weigh = MASKS.resolve(kind)
    loudest = magnitudes.detach().amax(0)
    share = magnitudes
    if loudest.numel() and not (loudest.min() > _SAFE_MIN and loudest.max() < _SAFE_MAX):
        # Scaled by the loudest source of each bin: no square under- or overflows, and 0/0 cannot happen. Shares do not
        # change with that scale, so no gradient flows through it.
        share = torch.where(loudest > 0, magnitudes / loudest.clamp_min(torch.finfo(magnitudes.dtype).tiny), 1.0)
    weights: Tensor = weigh(share)
    return weights / weights.sum(0)


def apply_masks(mixture: Tensor, masks: Tensor) -> Tensor:
    """Multiply a mixture's complex spectrum (…, frames, bins) by masks (sources, …, frames, bins): mixture phase."""
    return scale_spectrum(mixture, masks)


def scale_spectrum(spectrum: Tensor, factors: Tensor) -> Tensor:
    """Multiply a complex spectrum by real factors; torch would make them complex first, which takes twice the time."""
    return torch.view_as_complex(torch.view_as_real(spectrum) * factors[..., None])

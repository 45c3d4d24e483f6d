"""Masks from the estimated spectra of the sources; they add up to one, so the estimates add up to the mixture."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sepvae.errors import ConfigError

MaskKind = Literal["ratio", "wiener"]
_EXPONENT = {"ratio": 1, "wiener": 2}
# Between these the square of the loudest source is a normal number of float32, and nothing needs to be scaled first.
_SAFE_MIN, _SAFE_MAX = 1e-15, 1e15


def make_masks(magnitudes: Tensor, *, kind: MaskKind = "ratio") -> Tensor:
    """Return the share of each source in each bin.

    Args:
        magnitudes: (sources, …, frames, bins), non-negative.
        kind: `ratio` of magnitudes, or `wiener`: of powers.

    Returns:
        Masks of the same shape in [0, 1] that add up to 1 over the sources; equal where all sources are 0.

    Raises:
        ConfigError: another kind of mask.

    Source: Singh & Ogunfunmi 2022, Eq. (90); its power form is the Wiener filter.

    Example:
        >>> make_masks(torch.tensor([[3.0], [1.0]]), kind="wiener").flatten().tolist()
        [0.8999999761581421, 0.10000000149011612]
    """
    if kind not in _EXPONENT:
        raise ConfigError(f"unknown mask {kind!r}: choose one of {', '.join(_EXPONENT)}")
    loudest = magnitudes.detach().amax(0)
    share = magnitudes
    if loudest.numel() and not (loudest.min() > _SAFE_MIN and loudest.max() < _SAFE_MAX):
        # Scaled by the loudest source of each bin: no square under- or overflows, and 0/0 cannot happen. Shares do not
        # change with that scale, so no gradient flows through it.
        share = torch.where(loudest > 0, magnitudes / loudest.clamp_min(torch.finfo(magnitudes.dtype).tiny), 1.0)
    share = share.pow(_EXPONENT[kind])
    return share / share.sum(0)


def apply_masks(mixture: Tensor, masks: Tensor) -> Tensor:
    """Multiply a mixture's complex spectrum (…, frames, bins) by masks (sources, …, frames, bins): mixture phase."""
    return scale_spectrum(mixture, masks)


def scale_spectrum(spectrum: Tensor, factors: Tensor) -> Tensor:
    """Multiply a complex spectrum by real factors; torch would make them complex first, which takes twice the time."""
    return torch.view_as_complex(torch.view_as_real(spectrum) * factors[..., None])

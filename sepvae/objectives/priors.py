"""Priors of latents as samplers: for objectives that compare samples and need no density."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Standard deviation of the noise around the roll, relative to its size; Santana et al. 2016 use 0.1 on one of size 30.
_ROLL_NOISE = 0.1 / 30


def gaussian(n_samples: int, n_dimensions: int, generator: torch.Generator) -> Tensor:
    """Return samples (n_samples, n_dimensions) of N(0, I)."""
    return torch.randn(n_samples, n_dimensions, generator=generator, device=generator.device)


def laplace(n_samples: int, n_dimensions: int, generator: torch.Generator) -> Tensor:
    """Return samples (n_samples, n_dimensions) of independent Laplace variables of variance 1."""
    uniform = torch.rand(n_samples, n_dimensions, generator=generator, device=generator.device) - 0.5
    # 1 − 2 |u| can be 0, where the logarithm is infinite.
    tail = (1 - 2 * uniform.abs()).clamp_min(torch.finfo(uniform.dtype).tiny)
    return -uniform.sign() * tail.log() / math.sqrt(2)


def swiss_roll(n_samples: int, n_dimensions: int, generator: torch.Generator) -> Tensor:
    """Return samples (n_samples, n_dimensions) of Swiss rolls: each pair of dimensions is a roll of its own.

    An odd last dimension is the width of a roll: uniform. All dimensions have mean 0 and variance near 1.
    """
    n_rolls = n_dimensions // 2
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(n_samples, n_rolls, generator=generator, device=generator.device))
    roll = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=-1).flatten(1)
    roll = (roll - _ROLL_MEAN.to(roll).repeat(n_rolls)) / _ROLL_STD.to(roll).repeat(n_rolls)
    roll = roll + _ROLL_NOISE * torch.randn(roll.shape, generator=generator, device=generator.device)
    width = torch.rand(n_samples, n_dimensions % 2, generator=generator, device=generator.device)
    return torch.cat([roll, math.sqrt(12) * (width - 0.5)], dim=1)


def _roll_moments() -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (2) of the roll, by quadrature over its angle."""
    angle = 1.5 * math.pi * torch.linspace(1, 3, 100_001, dtype=torch.float64)
    roll = torch.stack([angle * angle.cos(), angle * angle.sin()])
    return roll.mean(1), roll.std(1)


_ROLL_MEAN, _ROLL_STD = _roll_moments()

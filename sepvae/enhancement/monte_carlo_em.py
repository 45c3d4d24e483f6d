"""Samples of the speech's posterior by Metropolis–Hastings, one chain for each frame, all in parallel.

The E-step of Monte-Carlo EM (Leglaive, Girin & Horaud 2018).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.enhancement.contract import Energy
from sepvae.limits import Scale


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)


@torch.no_grad()
def metropolis_hastings(
    energy: Energy, start: Tensor, *, n_samples: int, burn_in: int, step_std: float, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Draw from exp(−energy) by a random walk.

    Args:
        energy: of each chain by itself.
        start: where the chains start (1, chains, dimensions).
        n_samples: how many states of each chain are kept.
        burn_in: how many moves are made before.
        step_std: standard deviation of a proposed move.
        generator: on the CPU, so that a seed gives the same on every device.

    Returns:
        Samples (n_samples, chains, dimensions), and the share of the moves that were accepted.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> start = torch.zeros(1, 2000, 1)
        >>> normal = lambda state: 0.5 * ((state[..., 0] - 3) / 0.5) ** 2
        >>> drawn, _ = metropolis_hastings(
        ...     normal, start, n_samples=1, burn_in=200, step_std=0.5, generator=generator)
        >>> round(drawn.mean().item(), 1), round(drawn.std().item(), 1)
        (3.0, 0.5)
    """
    state, height = start, energy(start)
    kept, accepted = [], 0.0
    for move in range(burn_in + n_samples):
        proposed = state + step_std * _normal(state, generator)
        proposed_height = energy(proposed)
        # log u < log p(proposed) − log p(state), with −log u from an exponential distribution
        luck = torch.empty(height.shape).exponential_(generator=generator).to(height)
        taken = proposed_height - height < luck
        state = torch.where(taken[..., None], proposed, state)
        height = torch.where(taken, proposed_height, height)
        accepted += float(taken.float().mean()) if taken.numel() else 0.0
        if move >= burn_in:
            kept.append(state)
    return torch.cat(kept), accepted / (burn_in + n_samples)


class MonteCarloEmConfig(Config):
    """Moves of `step_std`, `burn_in` of them forgotten at each update of the noise, then `n_samples` kept."""

    n_samples: int = Field(10, ge=1, le=256)
    burn_in: int = Field(10, ge=0, le=10_000)
    step_std: Scale = 0.1


class MonteCarloEm:
    """The E-step of Monte-Carlo EM: samples of the posterior, each call from the last sample of the one before.

    Source: Leglaive, Girin & Horaud 2018.
    """

    Config: ClassVar[type[Config]] = MonteCarloEmConfig
    label: ClassVar[str] = "MCEM"
    samples_density: ClassVar[bool] = True
    moves_frames_alone: ClassVar[bool] = True

    def __init__(self, config: MonteCarloEmConfig, start: Tensor, *, generator: torch.Generator) -> None:
        self._config, self._generator, self._samples = config, generator, start
        self.acceptance: list[float] = []

    def advance(self, energy: Energy) -> Tensor:
        """Walk on, and return the samples kept (n_samples, frames, dimensions)."""
        config = self._config
        self._samples, accepted = metropolis_hastings(
            energy,
            self._samples[-1:],
            n_samples=config.n_samples,
            burn_in=config.burn_in,
            step_std=config.step_std,
            generator=self._generator,
        )
        self.acceptance.append(accepted)
        return self._samples

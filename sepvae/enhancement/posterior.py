"""Fast inference of the speech by the gradient: the most likely state, or chains around it."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.enhancement.contract import Energy
from sepvae.limits import LearningRate

_DECAY = 0.99
# In equilibrium the mean squared gradient is the mean curvature, of which the prior alone gives 1. A coordinate that
# the decoder hardly hears starts with less, and would jump far off.
_LEAST_SCALE = 1.0


def slope(energy: Energy, state: Tensor) -> Tensor:
    """Return the gradient of the energy of all chains at a state, of its shape."""
    with torch.inference_mode(False), torch.enable_grad():
        state = state.detach().clone().requires_grad_()
        return torch.autograd.grad(energy(state).sum(), state)[0]


class MostLikelyConfig(Config):
    """Adam towards the most likely latents: steps for each update of the noise, and their size."""

    n_steps: int = Field(3, ge=1, le=10_000)
    learning_rate: LearningRate = 0.02


class MostLikely:
    """Adam towards the most likely state; it goes on where it stopped.

    Source: Kingma & Ba 2015, Algorithm 1, as Sadeghi & Serizel 2022 use it.
    """

    Config: ClassVar[type[Config]] = MostLikelyConfig
    label: ClassVar[str] = "MAP"
    samples_density: ClassVar[bool] = False
    moves_frames_alone: ClassVar[bool] = False

    def __init__(self, config: MostLikelyConfig, start: Tensor, *, generator: torch.Generator) -> None:  # noqa: ARG002
        self.state, self.acceptance = start.detach().clone(), list[float]()
        self._n_steps = config.n_steps
        self._adam = torch.optim.Adam([self.state], lr=config.learning_rate)

    def advance(self, energy: Energy) -> Tensor:
        """Go some steps down an energy, and return the state (1, frames, dimensions)."""
        for _ in range(self._n_steps):
            self.state.grad = slope(energy, self.state)
            self._adam.step()
        return self.state


class LangevinConfig(Config):
    """Langevin dynamics: chains side by side, steps for each update of the noise, and their size."""

    n_chains: int = Field(4, ge=1, le=1000)
    n_steps: int = Field(3, ge=1, le=10_000)
    step_size: LearningRate = 0.02


class Langevin:
    """Chains that follow the gradient and chance; each coordinate moves at the scale of its gradients.

    Source: Li et al. 2016, Algorithm 1 (without the curvature of the scale); in parallel as in Sadeghi et al. 2023.
    """

    Config: ClassVar[type[Config]] = LangevinConfig
    label: ClassVar[str] = "Langevin"
    samples_density: ClassVar[bool] = True
    moves_frames_alone: ClassVar[bool] = False

    def __init__(self, config: LangevinConfig, start: Tensor, *, generator: torch.Generator) -> None:
        self.state, self.acceptance = start.detach().repeat(config.n_chains, 1, 1), list[float]()
        self._config, self._generator = config, generator
        self._mean_square, self._n_steps = torch.zeros_like(start), 0

    def advance(self, energy: Energy) -> Tensor:
        """Make some steps on an energy, and return the states (chains, frames, dimensions)."""
        for _ in range(self._config.n_steps):
            gradient = slope(energy, self.state)
            self._n_steps += 1
            self._mean_square.lerp_(gradient.square().mean(0, keepdim=True), 1 - _DECAY)
            mean_square = self._mean_square / (1 - _DECAY**self._n_steps)
            scaled = self._config.step_size / mean_square.sqrt().clamp_min(_LEAST_SCALE)
            chance = torch.randn(self.state.shape, generator=self._generator).to(self.state)
            self.state = self.state - scaled * gradient + (2 * scaled).sqrt() * chance
        return self.state

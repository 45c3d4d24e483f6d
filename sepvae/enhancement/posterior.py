"""Fast inference of the speech by the gradient: the most likely state, or chains around it."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.enhancement.monte_carlo_em import Energy

_DECAY = 0.99
# In equilibrium the mean squared gradient is the mean curvature, of which the prior alone gives 1. A coordinate that
# the decoder hardly hears starts with less, and would jump far off.
_LEAST_SCALE = 1.0


def slope(energy: Energy, state: Tensor) -> Tensor:
    """Return the gradient of the energy of all chains at a state, of its shape."""
    with torch.inference_mode(False), torch.enable_grad():
        state = state.detach().clone().requires_grad_()
        return torch.autograd.grad(energy(state).sum(), state)[0]


class Ascent:
    """Adam towards the most likely state; it goes on where it stopped.

    Source: Kingma & Ba 2015, Algorithm 1, as Sadeghi & Serizel 2022 use it.
    """

    def __init__(self, start: Tensor, *, learning_rate: float) -> None:
        self.state = start.detach().clone()
        self._adam = torch.optim.Adam([self.state], lr=learning_rate)

    def advance(self, energy: Energy, *, n_steps: int) -> Tensor:
        """Go some steps down an energy, and return the state (1, frames, dimensions)."""
        for _ in range(n_steps):
            self.state.grad = slope(energy, self.state)
            self._adam.step()
        return self.state


class Langevin:
    """Chains that follow the gradient and chance; each coordinate moves at the scale of its gradients.

    Source: Li et al. 2016, Algorithm 1 (without the curvature of the scale); in parallel as in Sadeghi et al. 2023.

    Args:
        start: where all chains start (1, frames, dimensions).
        n_chains: how many there are.
        step_size: of a step.
        generator: on the CPU, so that a seed gives the same on every device.
    """

    def __init__(self, start: Tensor, *, n_chains: int, step_size: float, generator: torch.Generator) -> None:
        self.state = start.detach().repeat(n_chains, 1, 1)
        self._step_size, self._generator = step_size, generator
        self._mean_square, self._n_steps = torch.zeros_like(start), 0

    def advance(self, energy: Energy, *, n_steps: int) -> Tensor:
        """Make some steps on an energy, and return the states (chains, frames, dimensions)."""
        for _ in range(n_steps):
            gradient = slope(energy, self.state)
            self._n_steps += 1
            self._mean_square.lerp_(gradient.square().mean(0, keepdim=True), 1 - _DECAY)
            mean_square = self._mean_square / (1 - _DECAY**self._n_steps)
            scaled = self._step_size / mean_square.sqrt().clamp_min(_LEAST_SCALE)
            chance = torch.randn(self.state.shape, generator=self._generator).to(self.state)
            self.state = self.state - scaled * gradient + (2 * scaled).sqrt() * chance
        return self.state

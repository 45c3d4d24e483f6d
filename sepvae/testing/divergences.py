"""What every divergence of two sets of samples keeps: at least 0, 0 for the same set, growing as sets move apart."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from sepvae.objectives import DIVERGENCES
from sepvae.testing.contract import expect


def normal(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return samples (n, d) of N(0, I)."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def obeys(name: str, left: Tensor, right: Tensor, variance: float) -> None:
    """Raise AssertionError when a divergence of two sets breaks a law of divergences."""
    divergence = DIVERGENCES.resolve(name)
    value = divergence(left, right, kernel_variance=variance)
    expect(value.shape == () and float(value) >= 0, f"the divergence is {value}")
    for again in (left, left.flip(0)):
        own = float(divergence(left, again, kernel_variance=variance))
        expect(abs(own) < 1e-12, f"of a set with itself it is {own}")
    moved = divergence(left + 100, right + 100, kernel_variance=variance)
    torch.testing.assert_close(moved, value, atol=1e-9, rtol=1e-6)


def check_laws_of_a_divergence(name: str) -> None:
    """It is at least 0, 0 for a set with itself in any order, and the same wherever both sets lie."""
    rng = random.Random(0)  # noqa: S311
    for seed in range(100):
        n, m, d = rng.randint(1, 12), rng.randint(1, 12), rng.randint(1, 6)
        left, right = normal(n, d, seed=seed), normal(m, d, seed=seed + 1) + rng.uniform(0, 5)
        obeys(name, left, right, rng.uniform(0.05, 50))


def check_sets_that_differ_are_apart(name: str) -> None:
    """It is more than 0 for two sets of one distribution, and grows as one of them moves away."""
    divergence, left, right = DIVERGENCES.resolve(name), normal(40, 3, seed=0), normal(40, 3, seed=1)
    found = [float(divergence(left, right + shift, kernel_variance=2.0)) for shift in (0, 1, 3)]
    expect(0 < found[0] < found[1] < found[2], f"at shifts of 0, 1 and 3 it is {found}")


def check_what_rounding_leaves_keeps_its_gradient(name: str) -> None:
    """Where single precision has no digits left for the value, it is not negative, and the gradient is there."""
    for seed in range(8):
        left = normal(50, 3, seed=seed, dtype=torch.float32).requires_grad_()
        right = normal(50, 3, seed=seed + 99, dtype=torch.float32)
        value = DIVERGENCES.resolve(name)(left, right, kernel_variance=1e8)
        (gradient,) = torch.autograd.grad(value, left)
        expect(0 <= float(value.detach()) < 1e-6, f"under a very wide kernel it is {float(value.detach())}")
        expect(float(gradient.abs().max()) > 0, "under a very wide kernel its gradient is 0")


def check_the_gradient_is_that_of_finite_differences(name: str) -> None:
    """Gradients by both sets are those of finite differences."""
    left, right = normal(5, 3, seed=0).requires_grad_(), (normal(7, 3, seed=1) + 1).requires_grad_()
    divergence = DIVERGENCES.resolve(name)
    torch.autograd.gradcheck(lambda a, b: divergence(a, b, kernel_variance=1.7), (left, right))

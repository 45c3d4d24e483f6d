"""What every prior keeps: samples of mean 0 and variance 1 in any number of dimensions, from one generator."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.objectives import PRIORS
from sepvae.seeds import torch_generator
from sepvae.testing.contract import expect


def _draw(name: str, n_samples: int, n_dimensions: int) -> Tensor:
    samples: Tensor = PRIORS.resolve(name)(n_samples, n_dimensions, torch_generator(0, "prior"))
    return samples


def check_mean_0_and_variance_1_in_any_dimensions(name: str) -> None:
    """Samples (n_samples, n_dimensions) have mean 0 and variance 1 in each of 1, 2 or 5 dimensions."""
    for d in (1, 2, 5):
        samples = _draw(name, 20_000, d)
        expect(samples.shape == (20_000, d), f"20000 samples of {d} dimensions have the shape {tuple(samples.shape)}")
        torch.testing.assert_close(samples.mean(0), torch.zeros(d), atol=0.04, rtol=0)
        torch.testing.assert_close(samples.var(0), torch.ones(d), atol=0.06, rtol=0)


def check_samples_follow_from_the_generator_alone(name: str) -> None:
    """A generator in the same state gives the same samples, and torch's global one is left alone."""
    before = torch.random.get_rng_state()
    first, second = _draw(name, 100, 3), _draw(name, 100, 3)
    expect(torch.equal(first, second), "a generator in the same state gives other samples")
    expect(torch.equal(before, torch.random.get_rng_state()), "it draws from torch's global generator")

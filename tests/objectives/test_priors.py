"""Priors: the moments they promise, and their shapes."""

from __future__ import annotations

import math

import pytest
import torch

from sepvae.objectives import PRIORS
from sepvae.objectives.priors import laplace, swiss_roll
from sepvae.seeds import torch_generator


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_mean_0_and_variance_1_in_any_dimensions(prior: str, d: int) -> None:
    samples = PRIORS.resolve(prior)(20_000, d, torch_generator(0, "prior"))
    assert samples.shape == (20_000, d)
    torch.testing.assert_close(samples.mean(0), torch.zeros(d), atol=0.04, rtol=0)
    torch.testing.assert_close(samples.var(0), torch.ones(d), atol=0.06, rtol=0)
    assert torch.equal(samples, PRIORS.resolve(prior)(20_000, d, torch_generator(0, "prior")))


def test_laplace_has_its_tails() -> None:
    samples = laplace(50_000, 1, torch_generator(0, "prior"))
    assert torch.isfinite(samples).all()
    # The excess kurtosis of a Laplace variable is 3; P(|x| > t) = exp(−√2 t).
    assert float((samples.abs() > 2).float().mean()) == pytest.approx(math.exp(-2 * math.sqrt(2)), abs=0.005)


def test_a_swiss_roll_is_a_curve_with_a_hole() -> None:
    radii = swiss_roll(5000, 2, torch_generator(0, "prior")).norm(dim=1)
    # Undone to the plane of the roll: angles from 1.5 π to 4.5 π, whose radii are the angles.
    assert float(radii.min()) > 0.3
    assert float(radii.max()) < 3
    pairs = swiss_roll(5000, 4, torch_generator(1, "prior"))
    assert float(torch.corrcoef(pairs.T)[0, 2].abs()) < 0.05

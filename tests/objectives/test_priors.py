"""Priors: tails and curves, beside what the contract says of their moments."""

from __future__ import annotations

import math

import pytest
import torch

from sepvae.objectives.priors import laplace, swiss_roll
from sepvae.seeds import torch_generator


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

"""AuxIVA's source models: closed forms, and variances that majorise the contrast."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.auxiva import AuxIvaVariances, Density

Gaussian = Callable[..., Tensor]
densities = pytest.mark.parametrize("density", get_args(Density))


def powers(gaussian: Gaussian, *, seed: int = 0) -> Tensor:
    return gaussian(2, 3, 5, 7, seed=seed, dtype=torch.float64).square() + 0.01


def test_laplace_is_the_norm_of_each_frame(gaussian: Gaussian) -> None:
    power = powers(gaussian)
    variances, contrast = AuxIvaVariances("laplace").fit(power)
    norms = np.linalg.norm(np.sqrt(power.numpy()), axis=2)
    np.testing.assert_allclose(variances[:, :, 0].numpy(), norms, rtol=1e-12)
    np.testing.assert_allclose(contrast.numpy(), 2 * norms.mean(2).sum(1), rtol=1e-12)


def test_gauss_is_the_mean_power_of_each_frame(gaussian: Gaussian) -> None:
    power = powers(gaussian)
    variances, contrast = AuxIvaVariances("gauss").fit(power)
    means = power.numpy().mean(2)
    np.testing.assert_allclose(variances[:, :, 0].numpy(), means, rtol=1e-12)
    # −log N(y; 0, v) = log v + |y|²/v, up to constants.
    expected = (np.log(means)[:, :, None] + power.numpy() / means[:, :, None]).sum(2).mean(2).sum(1)
    np.testing.assert_allclose(contrast.numpy(), expected, rtol=1e-12)


@densities
def test_slope_of_the_contrast_is_the_weight(gaussian: Gaussian, density: Density) -> None:
    """The majoriser Σ |y|²/v touches the contrast: 1/v is N times its slope, by finite differences."""
    power, model, step = powers(gaussian), AuxIvaVariances(density), 1e-6
    variances = model.fit(power).variances.expand_as(power)
    for place in [(0, 0, 0, 0), (0, 2, 4, 6), (1, 1, 2, 3)]:
        moved = torch.zeros_like(power)
        moved[place] = step
        slope = (model.contrast(power + moved) - model.contrast(power - moved))[place[0]] / (2 * step)
        torch.testing.assert_close(slope, 1 / variances[place] / power.shape[3], rtol=1e-6, atol=0)


@densities
@given(seed=st.integers(1, 99))
def test_the_majoriser_lies_above_the_contrast(gaussian: Gaussian, density: Density, seed: int) -> None:
    model, here, there = AuxIvaVariances(density), powers(gaussian), 4 * powers(gaussian, seed=seed)
    variances, contrast = model.fit(here)
    rise = ((there - here) / variances).mean(-1).sum((1, 2))
    assert (model.contrast(there) <= contrast + rise + 1e-12).all()


@densities
def test_silence_stays_finite(density: Density) -> None:
    variances, contrast = AuxIvaVariances(density).fit(torch.zeros(1, 2, 3, 4))
    assert (variances > 0).all()
    assert torch.isfinite(1 / variances).all()
    assert torch.isfinite(contrast).all()


def test_quiet_frames_are_told_apart_at_every_level(gaussian: Gaussian) -> None:
    power = powers(gaussian)
    power[..., 0] *= 1e-9
    loud, quiet = AuxIvaVariances("gauss").fit(power).variances, AuxIvaVariances("gauss").fit(power * 1e-14).variances
    torch.testing.assert_close(quiet, loud * 1e-14, rtol=1e-12, atol=0)

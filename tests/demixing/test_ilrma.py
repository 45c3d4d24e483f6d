"""ILRMA's source model: multiplicative updates against NumPy, and a contrast that never rises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.seeds import torch_generator

Gaussian = Callable[..., Tensor]


def make(n_bases: int = 2, n_batch: int = 1) -> IlrmaVariances:
    return IlrmaVariances(n_bases, [torch_generator(0, "ilrma", number) for number in range(n_batch)])


def powers(gaussian: Gaussian, *, n_batch: int = 1, seed: int = 0) -> Tensor:
    return gaussian(n_batch, 2, 6, 9, seed=seed, dtype=torch.float64).square()


def divergence(power: Tensor, variances: Tensor) -> Tensor:
    """Return the Itakura–Saito divergence of each recording, up to constants."""
    v, p = variances.numpy(), power.numpy()
    return torch.from_numpy((np.log(v) + p / v).sum((1, 2, 3)) / p.shape[3])


def test_an_update_is_what_the_paper_prints(gaussian: Gaussian) -> None:
    """Kitamura et al. 2016, one source and one basis at a time."""
    power, model = powers(gaussian), make()
    model.fit(power)
    bases, activations = model._bases[0].numpy(), (model._activations * model._level)[0].numpy()
    found = model.fit(power)
    for source, p in enumerate(power[0].numpy()):
        t, a = bases[source], activations[source]
        v = t @ a
        t = t * np.array(
            [[np.sqrt((p[i] / v[i] ** 2 * a[k]).sum() / (a[k] / v[i]).sum()) for k in range(2)] for i in range(6)]
        )
        v = t @ a
        a = a * np.array(
            [
                [np.sqrt((p[:, n] / v[:, n] ** 2 * t[:, k]).sum() / (t[:, k] / v[:, n]).sum()) for n in range(9)]
                for k in range(2)
            ]
        )
        np.testing.assert_allclose(found.variances[0, source].numpy(), t @ a, rtol=1e-7)
    torch.testing.assert_close(found.contrast, divergence(power, found.variances))


@given(n_bases=st.integers(1, 4), seed=st.integers(0, 99), level_db=st.integers(-120, 120))
def test_the_contrast_never_rises(gaussian: Gaussian, n_bases: int, seed: int, level_db: int) -> None:
    power, model = 10 ** (level_db / 10) * powers(gaussian, seed=seed), make(n_bases)
    last = model.fit(power).contrast
    for _ in range(5):
        now = model.fit(power).contrast
        assert (now <= last + 1e-9 * last.abs()).all()
        last = now


def test_powers_of_low_rank_are_found(gaussian: Gaussian) -> None:
    spectra, times = powers(gaussian)[..., :1] + 0.1, powers(gaussian, seed=1)[:, :, :1] + 0.1
    power, model = spectra * times, make(n_bases=1)
    for _ in range(30):
        variances = model.fit(power).variances
    torch.testing.assert_close(variances, power, rtol=1e-5, atol=0)


def test_slope_of_the_contrast_is_the_weight(gaussian: Gaussian) -> None:
    power, model, step = powers(gaussian) + 0.1, make(), 1e-6
    variances = model.fit(power).variances
    for place in [(0, 0, 0, 0), (0, 1, 5, 8)]:
        moved = torch.zeros_like(power)
        moved[place] = step
        slope = (model.contrast(power + moved) - model.contrast(power - moved))[0] / (2 * step)
        torch.testing.assert_close(slope, 1 / variances[place] / power.shape[3], rtol=1e-6, atol=0)


def test_it_follows_a_change_of_scale(gaussian: Gaussian) -> None:
    power, model = powers(gaussian), make()
    before = model.fit(power).contrast
    factors = torch.tensor([[4.0, 0.01]], dtype=torch.float64)
    model.rescale(factors)
    # Each of 6 bins pays log(factor) of each source.
    after = model.contrast(power * factors[..., None, None])
    torch.testing.assert_close(after, before + 6 * factors.log().sum(), rtol=1e-9, atol=1e-9)


def test_variances_scale_with_the_powers(gaussian: Gaussian) -> None:
    power = powers(gaussian)
    quiet, loud = make(), make()
    for _ in range(3):
        one, other = quiet.fit(power).variances, loud.fit(1e6 * power).variances
    torch.testing.assert_close(other, 1e6 * one, rtol=1e-9, atol=0)


def test_a_batch_of_two_is_two_singles(gaussian: Gaussian) -> None:
    power, both = powers(gaussian, n_batch=2), make(n_batch=2)
    singles = [IlrmaVariances(2, [torch_generator(0, "ilrma", number)]) for number in range(2)]
    for _ in range(3):
        together = both.fit(power).variances
        alone = torch.cat([model.fit(power[i : i + 1]).variances for i, model in enumerate(singles)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("level", [0.0, 1e-18, 1e-12, 1e12])
def test_any_level_stays_finite_in_single_precision(gaussian: Gaussian, level: float) -> None:
    """A source of one level, and one that is heard in the first frame alone."""
    power, model = level * torch.ones(1, 2, 3, 4), make()
    power[:, 1, :, 1:] = 0
    for _ in range(20):
        variances, contrast = model.fit(power)
        assert torch.isfinite(variances).all()
        assert torch.isfinite(1 / variances).all()
        assert torch.isfinite(contrast).all()

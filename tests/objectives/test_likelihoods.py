"""Likelihoods against torch.distributions and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from sepvae.errors import ConfigError
from sepvae.models.contract import Decoded
from sepvae.objectives import LIKELIHOODS
from sepvae.objectives.likelihoods import SPECTRUM_FLOOR, bernoulli, gaussian, gaussian_learned, itakura_saito, poisson
from sepvae.testing.likelihoods import values


@pytest.mark.parametrize("std", [0.1, 1.0, 3.0])
def test_gaussian_is_the_normal_distribution(std: float) -> None:
    target, mean = values(4, 7), values(4, 7, seed=1)
    torch.testing.assert_close(gaussian(target, Decoded(mean, None), std), -Normal(mean, std).log_prob(target))


def test_learned_gaussian_is_the_normal_distribution() -> None:
    target, mean, log_variance = values(4, 7), values(4, 7, seed=1), values(4, 7, seed=2, low=-5, high=5)
    expected = -Normal(mean, (0.5 * log_variance).exp()).log_prob(target)
    torch.testing.assert_close(gaussian_learned(target, Decoded(mean, log_variance), 1.0), expected)


def test_learned_gaussian_without_a_variance_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="gaussian_learned needs a model with learned_variance: true"):
        gaussian_learned(values(2, 2), Decoded(values(2, 2), None), 1.0)


def test_bernoulli_is_the_cross_entropy() -> None:
    target, probability = values(4, 7, high=1), values(4, 7, seed=1, high=0.99)
    expected = torch.nn.functional.binary_cross_entropy(probability, target, reduction="none")
    torch.testing.assert_close(bernoulli(target, Decoded(probability, None), 1.0), expected)


def test_bernoulli_takes_a_source_above_the_peak_as_one() -> None:
    probability = Decoded(values(3, high=0.9), None)
    torch.testing.assert_close(
        bernoulli(torch.full((3,), 1.7, dtype=torch.float64), probability, 1.0),
        bernoulli(torch.ones(3, dtype=torch.float64), probability, 1.0),
    )


def test_itakura_saito_is_the_complex_gaussian_up_to_a_constant() -> None:
    variance, other = values(5), values(5, seed=1)
    real, imaginary = values(5, seed=2), values(5, seed=3)
    power = real.square() + imaginary.square()

    def complex_gaussian(v: Tensor) -> Tensor:
        # A circular complex Gaussian of variance v is two real ones of variance v / 2.
        covariance = torch.diag_embed((v / 2)[:, None].expand(-1, 2))
        joint = MultivariateNormal(torch.zeros(5, 2, dtype=torch.float64), covariance)
        return -joint.log_prob(torch.stack([real, imaginary], -1))

    ours = itakura_saito(power, Decoded(variance, None), 1.0) - itakura_saito(power, Decoded(other, None), 1.0)
    torch.testing.assert_close(ours, complex_gaussian(variance) - complex_gaussian(other), rtol=1e-4, atol=1e-4)


def test_itakura_saito_does_not_depend_on_the_level() -> None:
    target, variance = values(5), values(5, seed=1)
    ours = itakura_saito(1e3 * target, Decoded(1e3 * variance, None), 1.0)
    torch.testing.assert_close(ours, itakura_saito(target, Decoded(variance, None), 1.0), rtol=1e-3, atol=1e-5)


def test_poisson_is_the_distribution_up_to_a_constant() -> None:
    counts = torch.tensor([0.0, 1.0, 5.0, 17.0], dtype=torch.float64)
    mean, other = values(4), values(4, seed=1)
    ours = poisson(counts, Decoded(mean, None), 1.0) - poisson(counts, Decoded(other, None), 1.0)
    theirs = [-torch.distributions.Poisson(rate).log_prob(counts) for rate in (mean, other)]
    torch.testing.assert_close(ours, theirs[0] - theirs[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["itakura_saito", "poisson"])
def test_divergences_are_zero_at_equality_and_positive_elsewhere(name: str) -> None:
    target, other = values(200), values(200, seed=1)
    assert float(LIKELIHOODS.resolve(name)(target, Decoded(target, None), 1.0).abs().max()) < 1e-12
    assert (LIKELIHOODS.resolve(name)(target, Decoded(other, None), 1.0) > 0).all()


def test_the_learned_variance_is_best_at_the_mean_square_error() -> None:
    error = values(1000, low=-1, high=1)
    truth = error.square().mean().log()
    nll = {
        shift: float(
            gaussian_learned(error, Decoded(torch.zeros_like(error), (truth + shift).expand_as(error)), 1.0).mean()
        )
        for shift in (-0.2, 0.0, 0.2)
    }
    assert min(nll, key=lambda shift: nll[shift]) == 0.0
    assert nll[0.0] == pytest.approx(0.5 * (1 + float(truth) + math.log(2 * math.pi)))


def test_floor_lies_sixty_decibels_down() -> None:
    assert 10 * math.log10(SPECTRUM_FLOOR) == pytest.approx(-60)


def test_elements_are_independent() -> None:
    target, mean = values(2, 3, 4), values(2, 3, 4, seed=1)
    joint = -Independent(Normal(mean, 1.0), 1).log_prob(target)
    torch.testing.assert_close(gaussian(target, Decoded(mean, None), 1.0).sum(-1), joint)

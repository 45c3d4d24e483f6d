"""Latents and gains of the speech: chains against posteriors by quadrature, gradients against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sepvae.enhancement.monte_carlo_em import metropolis_hastings
from sepvae.enhancement.posterior import Langevin, LangevinConfig, MostLikely, MostLikelyConfig
from sepvae.enhancement.speech_prior import SpeechPrior
from sepvae.estimator.checkpoint import Checkpoint

N_CHAINS = 4000


def toy(state: Tensor) -> Tensor:
    """One latent z ~ N(0, 1), speech e^{2z} in 3 bins, noise 0.2: a skewed posterior."""
    total = (2 * state).exp() + 0.2
    return (total.log() + torch.tensor([0.5, 2.0, 4.0]) / total).sum(-1) + 0.5 * state[..., 0].square()


def by_quadrature() -> tuple[float, float, float]:
    """Return mean, standard deviation and mode of the toy's posterior."""
    grid = torch.linspace(-6, 6, 20001, dtype=torch.float64)
    height = toy(grid[:, None])
    weights = (height.min() - height).exp()
    weights = weights / weights.sum()
    mean = float((weights * grid).sum())
    return mean, math.sqrt(float((weights * (grid - mean).square()).sum())), float(grid[height.argmin()])


def test_metropolis_hastings_draws_from_the_posterior() -> None:
    mean, std, _ = by_quadrature()
    generator = torch.Generator().manual_seed(0)
    start = torch.full((1, N_CHAINS, 1), 2.0)
    drawn, accepted = metropolis_hastings(toy, start, n_samples=3, burn_in=150, step_std=0.5, generator=generator)
    assert drawn.shape == (3, N_CHAINS, 1)
    # Four standard errors of chains that know nothing of each other.
    assert float(drawn[-1].mean()) == pytest.approx(mean, abs=4 * std / math.sqrt(N_CHAINS))
    assert float(drawn[-1].std()) == pytest.approx(std, rel=4 / math.sqrt(2 * N_CHAINS) * 1.5)
    assert 0.3 < accepted < 0.8


def test_metropolis_hastings_takes_every_step_down_and_none_off_a_cliff() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.zeros(1, 50, 2)
    drawn, accepted = metropolis_hastings(
        lambda state: torch.where((state == 0).all(-1), 0.0, torch.inf),
        start,
        n_samples=2,
        burn_in=1,
        step_std=0.1,
        generator=generator,
    )
    assert accepted == 0
    assert not drawn.any()
    _, accepted = metropolis_hastings(
        lambda state: 0 * state[..., 0], start, n_samples=2, burn_in=1, step_std=0.1, generator=generator
    )
    assert accepted == pytest.approx(1)


def test_langevin_chains_spread_like_the_posterior() -> None:
    mean, std, _ = by_quadrature()
    generator = torch.Generator().manual_seed(0)
    config = LangevinConfig(n_chains=N_CHAINS // 4, n_steps=500)
    drawn = Langevin(config, torch.full((1, 4, 1), 1.0), generator=generator).advance(toy)
    assert drawn.shape == (N_CHAINS // 4, 4, 1)
    assert float(drawn.mean()) == pytest.approx(mean, abs=0.15 * std)
    assert float(drawn.std()) == pytest.approx(std, rel=0.15)


def test_langevin_chains_do_not_jump_where_the_prior_is_alone() -> None:
    """A coordinate that the decoder ignores has no gradient at the start, and a variance of 1 in the end."""
    generator = torch.Generator().manual_seed(0)
    config = LangevinConfig(n_chains=1000, n_steps=1)
    chains = Langevin(config, torch.full((1, 2, 1), 1e-3), generator=generator)
    widest = max(float(chains.advance(lambda z: 0.5 * z.square().sum(-1)).std()) for _ in range(300))
    assert widest < 1.2
    assert float(chains.state.std()) == pytest.approx(1, rel=0.1)


def test_ascent_reaches_the_most_likely_state_in_as_many_calls_as_it_likes() -> None:
    _, _, mode = by_quadrature()
    start, generator = torch.full((1, 2, 1), 1.5), torch.Generator()
    ascent = MostLikely(MostLikelyConfig(n_steps=10), start, generator=generator)
    for _ in range(40):
        ascent.advance(toy)
    torch.testing.assert_close(ascent.state, torch.full((1, 2, 1), mode), atol=5e-3, rtol=0)


@pytest.fixture
def recording() -> tuple[Tensor, Tensor, Tensor]:
    """Power, noise and gains of three frames."""
    generator = torch.Generator().manual_seed(3)
    power, noise = torch.rand((2, 3, 65), generator=generator, dtype=torch.float64)
    return power, noise, torch.rand((3, 1), generator=generator, dtype=torch.float64)


def prior_of(model: Checkpoint, gain: str) -> SpeechPrior:
    network = model.estimator.double().models["speech"]
    return SpeechPrior(network, model.estimator.frontend, gain=gain)  # type: ignore[arg-type]


@pytest.mark.parametrize(("gain", "n_dimensions"), [("mm", 4), ("gamma", 5)])
@pytest.mark.parametrize("density", [False, True])
def test_gradients_are_those_of_finite_differences(
    model: Checkpoint, recording: tuple[Tensor, ...], gain: str, n_dimensions: int, density: bool
) -> None:
    state = torch.randn((2, 3, n_dimensions), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    prior = prior_of(model, gain)
    assert torch.autograd.gradcheck(
        lambda point: prior.energy(point, *recording, density=density), state.requires_grad_()
    )


def test_the_energy_is_the_negative_log_of_the_joint_density(model: Checkpoint, recording: tuple[Tensor, ...]) -> None:
    power, noise, gains = recording
    prior = prior_of(model, "gamma")
    state = torch.randn((1, 3, 5), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    gain = state[..., 4].exp()
    decoded = model.estimator.models["speech"].decode(state[..., :4]).spectrum
    total = gain[..., None] * gains * decoded + noise + 1e-6
    # x ~ N_C(0, total), z ~ N(0, I), g ~ Gamma(1, 1); the density of log g has g as a factor.
    expected = (total.log() + (power + 1e-6) / total).sum(-1) + 0.5 * state[..., :4].square().sum(-1) + gain
    torch.testing.assert_close(prior.energy(state, *recording, density=False), expected)
    torch.testing.assert_close(prior.energy(state, *recording, density=True), expected - state[..., 4])

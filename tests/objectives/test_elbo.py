"""The evidence lower bound: KL against closed form and Monte Carlo, β and its annealing, the noise of the latent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from sepvae.models.contract import Decoded, Posterior
from sepvae.models.network import SourceNetwork
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch
from sepvae.objectives.elbo import Elbo, ElboConfig, sample
from sepvae.objectives.elbo import kl_divergence as kl_to_prior
from sepvae.objectives.likelihoods import gaussian
from sepvae.seeds import torch_generator


def posterior(*shape: int, seed: int = 0) -> Posterior:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(shape, generator=generator, dtype=torch.float64)
    return Posterior(mean, torch.randn(shape, generator=generator, dtype=torch.float64))


def std(q: Posterior) -> Tensor:
    assert q.log_variance is not None
    return (0.5 * q.log_variance).exp()


def test_kl_is_the_closed_form() -> None:
    q = posterior(3, 5, 4)
    expected = kl_divergence(Normal(q.mean, std(q)), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(kl_to_prior(q), expected)


def test_kl_is_what_monte_carlo_gives() -> None:
    q = posterior(1, 2, 3)
    n = 200_000
    wide = Posterior(q.mean.expand(n, -1, -1), q.log_variance.expand(n, -1, -1))  # type: ignore[union-attr]
    latent = sample(wide, epsilon_std=1.0, generator=torch_generator(0, "monte carlo"))
    draws = (Normal(q.mean, std(q)).log_prob(latent) - Normal(0.0, 1.0).log_prob(latent)).sum(-1)
    error = draws.std(0) / n**0.5
    assert ((draws.mean(0) - kl_to_prior(q)[0]).abs() < 5 * error).all()


def test_kl_is_zero_only_for_the_prior() -> None:
    zeros = torch.zeros(2, 3, 4, dtype=torch.float64)
    assert float(kl_to_prior(Posterior(zeros, zeros)).abs().max()) == 0
    assert (kl_to_prior(Posterior(zeros + 0.1, zeros)) > 0).all()
    assert (kl_to_prior(Posterior(zeros, zeros + 0.1)) > 0).all()
    assert (kl_to_prior(Posterior(zeros, zeros - 0.1)) > 0).all()


def test_a_deterministic_encoder_has_no_kl_and_no_noise() -> None:
    q = Posterior(torch.randn(2, 3, 4), None)
    assert torch.equal(kl_to_prior(q), torch.zeros(2, 3))
    assert torch.equal(sample(q, epsilon_std=1.0, generator=torch_generator(0)), q.mean)


@pytest.mark.parametrize("epsilon_std", [0.01, 1.0])
def test_latents_have_the_posteriors_mean_and_spread(epsilon_std: float) -> None:
    n, q = 100_000, posterior(1, 1, 3)
    wide = Posterior(q.mean.expand(n, 1, 3), q.log_variance.expand(n, 1, 3))  # type: ignore[union-attr]
    latent = sample(wide, epsilon_std=epsilon_std, generator=torch_generator(0, "spread"))
    expected = epsilon_std * std(q)[0]
    assert ((latent.mean(0) - q.mean[0]).abs() < 5 * expected / n**0.5).all()
    torch.testing.assert_close(latent.std(0), expected, rtol=0.02, atol=0)


def test_latents_follow_from_their_stream_and_leave_others_alone() -> None:
    q = posterior(2, 3, 4)
    before = torch.random.get_rng_state()
    draws = [sample(q, epsilon_std=1.0, generator=torch_generator(0, "noise", step)) for step in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_no_noise_gives_the_mean() -> None:
    q = posterior(2, 3, 4)
    assert torch.equal(sample(q, epsilon_std=0.0, generator=torch_generator(0)), q.mean)


def test_gradients_pass_through_the_sample() -> None:
    q = posterior(1, 2, 3)

    def draw(mean: Tensor, log_variance: Tensor) -> Tensor:
        return sample(Posterior(mean, log_variance), epsilon_std=1.0, generator=torch_generator(0, "gradient"))

    assert q.log_variance is not None
    assert torch.autograd.gradcheck(draw, (q.mean.requires_grad_(), q.log_variance.requires_grad_()))


class Fixed(SourceNetwork):
    """A model that gives a chosen posterior and decodes the latent to itself."""

    context_frames = 0

    def __init__(self, q: Posterior) -> None:
        super().__init__()
        self.q = q

    def encode(self, features: Tensor) -> Posterior:
        return self.q

    def decode(self, latent: Tensor) -> Decoded:
        return Decoded(latent, None)


def loss_of(q: Posterior, target: Tensor, *, step: int = 0, **settings: Any) -> Any:
    batch = Batch(torch.zeros(1), {"a": target}, step, torch_generator(0, "noise"))
    return Elbo(ElboConfig(**settings))({"a": Fixed(q)}, batch)  # type: ignore[dict-item]


def test_the_bound_is_by_hand() -> None:
    q, target = posterior(2, 3, 4), torch.rand(2, 3, 4, dtype=torch.float64)
    loss = loss_of(q, target, beta=4.0, epsilon_std=0.0, likelihood_std=0.5)
    nll = -Normal(q.mean, 0.5).log_prob(target).sum(-1).mean()
    kl = kl_divergence(Normal(q.mean, std(q)), Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(loss.terms["a/reconstruction"], nll)
    torch.testing.assert_close(loss.terms["a/kl"], 4 * kl)
    torch.testing.assert_close(loss.total, nll + 4 * kl)


def test_beta_zero_is_an_autoencoder_and_beta_one_a_vae() -> None:
    q, target = posterior(2, 3, 4), torch.rand(2, 3, 4, dtype=torch.float64)
    zero, one, four = (loss_of(q, target, beta=beta) for beta in (0.0, 1.0, 4.0))
    assert float(zero.terms["a/kl"]) == 0
    torch.testing.assert_close(zero.total, one.terms["a/reconstruction"])
    torch.testing.assert_close(one.terms["a/kl"], kl_to_prior(q).mean())
    torch.testing.assert_close(four.total - zero.total, 4 * (one.total - zero.total))


def test_the_bound_is_below_the_evidence() -> None:
    # A linear Gaussian model, whose evidence is known: s = z + noise, z ~ N(0, 1), so s ~ N(0, 1 + σ²).
    noise_std, target = 0.7, torch.tensor([[[1.3]]], dtype=torch.float64)
    evidence = float(Normal(0.0, (1 + noise_std**2) ** 0.5).log_prob(target))
    exact_variance = 1 / (1 + 1 / noise_std**2)
    exact_mean = exact_variance * float(target) / noise_std**2
    n = 200_000
    bounds = {}
    for shift in (0.0, 0.5):
        q = Posterior(
            torch.full((n, 1, 1), exact_mean + shift, dtype=torch.float64),
            torch.full((n, 1, 1), exact_variance, dtype=torch.float64).log(),
        )
        bounds[shift] = -float(loss_of(q, target.expand(n, 1, 1), likelihood_std=noise_std).total)
    # Tight at the true posterior; elsewhere lower by the divergence from it.
    assert bounds[0.0] == pytest.approx(evidence, abs=0.01)
    assert bounds[0.5] == pytest.approx(evidence - 0.5**2 / (2 * exact_variance), abs=0.02)


def test_annealing_raises_beta_from_zero() -> None:
    def schedule(annealing: str, steps: list[int]) -> list[float]:
        elbo = Elbo(ElboConfig(beta=2.0, annealing=annealing, annealing_steps=10))  # type: ignore[arg-type]
        return [elbo.beta(step) for step in steps]

    assert schedule("none", [0, 5, 50]) == [2, 2, 2]
    assert schedule("linear", [0, 5, 10, 50]) == [0, 1, 2, 2]
    assert schedule("cyclic", [0, 2, 5, 9, 10, 12, 15]) == pytest.approx([0, 0.8, 2, 2, 0, 0.8, 2])


def test_annealed_beta_weighs_the_divergence() -> None:
    q, target = posterior(2, 3, 4), torch.rand(2, 3, 4, dtype=torch.float64)
    half = loss_of(q, target, step=5, beta=2.0, annealing="linear", annealing_steps=10)
    torch.testing.assert_close(half.terms["a/kl"], kl_to_prior(q).mean())


def test_every_source_is_compared_with_its_own_target() -> None:
    q = posterior(1, 2, 3)
    models: dict[str, Any] = {"a": Fixed(q), "b": Fixed(q)}
    targets = {"b": torch.ones(1, 2, 3, dtype=torch.float64), "a": torch.zeros(1, 2, 3, dtype=torch.float64)}
    loss = Elbo(ElboConfig(epsilon_std=0))(models, Batch(torch.zeros(1), targets, 0, torch_generator(0)))
    for name, target in targets.items():
        expected = gaussian(target, Decoded(q.mean, None), 1.0).sum(-1).mean()
        torch.testing.assert_close(loss.terms[f"{name}/reconstruction"], expected)


@pytest.mark.parametrize("steps", [500, 512, 700, 999, 1024])
@pytest.mark.parametrize("annealing", ["none", "linear", "cyclic"])
def test_validation_sees_the_end_of_every_schedule(annealing: str, steps: int) -> None:
    elbo = Elbo(ElboConfig(beta=4.0, annealing=annealing, annealing_steps=steps))  # type: ignore[arg-type]
    assert elbo.beta(END_OF_SCHEDULE) == 4.0

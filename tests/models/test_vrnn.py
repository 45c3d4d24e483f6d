"""The VRNN: latents drawn along time, a prior that follows the state, and memory that ends with the warm-up."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from sepvae.models.contract import Posterior, most_likely
from sepvae.models.vrnn import Vrnn, VrnnConfig
from sepvae.objectives import elbo

BINS = 5


def make(**settings: Any) -> Vrnn:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Vrnn(
            VrnnConfig(**{"hidden": 6, "latent": 3, "warm_up_frames": 4, **settings}), n_inputs=BINS, n_outputs=2
        )
    return network.double().eval()


def features(n_frames: int, *, seed: int = 0) -> Tensor:
    return torch.randn(2, n_frames, BINS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(seed: int) -> Any:
    stream = torch.Generator().manual_seed(seed)
    return lambda q: elbo.sample(q, epsilon_std=1.0, generator=stream)


def test_encoding_and_decoding_is_the_most_likely_reconstruction() -> None:
    network, values = make(), features(20)
    found = network.reconstruct(values, most_likely)
    assert found.latent.shape == (2, 12, 9)
    assert found.posterior.mean.shape == (2, 12, 3)
    torch.testing.assert_close(network.encode(values).mean, found.latent)
    torch.testing.assert_close(network.decode(network.encode(values).mean).spectrum, found.decoded.spectrum)


def test_a_latent_changes_what_comes_after_it_and_nothing_before() -> None:
    network, values = make(), features(20)
    steps = iter(range(20))

    def pushed(q: Posterior) -> Tensor:
        return q.mean + (1.0 if next(steps) == 10 else 0.0)

    plain, moved = network.reconstruct(values, most_likely), network.reconstruct(values, pushed)
    changed = (plain.decoded.spectrum != moved.decoded.spectrum).any(-1).any(0)
    # Step 10 is frame 6 behind the warm-up of 4.
    assert not changed[:6].any()
    assert changed[6:].all()
    assert moved.prior is not None
    assert plain.prior is not None
    differs = (plain.prior.mean != moved.prior.mean).any(-1).any(0)
    assert not differs[:7].any()
    assert differs[7:].all()


def test_memory_is_that_of_the_frames_it_is_given() -> None:
    network, values = make(), features(30)
    earlier = values.clone()
    earlier[:, :10] = features(10, seed=9)
    whole, other = network.encode(values[:, 10:]), network.encode(earlier[:, 10:])
    assert torch.equal(whole.mean, other.mean)


def test_gradients_flow_through_time() -> None:
    network, values = make(), features(20).requires_grad_()
    network.reconstruct(values, most_likely).decoded.spectrum[:, -1].sum().backward()
    assert values.grad is not None
    reached = values.grad.abs().sum((0, 2)) > 0
    # The last frame inside is frame 15: everything up to it matters, and nothing after it.
    assert reached[:16].all()
    assert not reached[16:].any()


def test_the_kl_term_is_that_of_posterior_and_learnt_prior() -> None:
    found = make().reconstruct(features(20), noisy(0))
    assert found.prior is not None
    assert found.prior.log_variance is not None
    assert found.posterior.log_variance is not None
    posterior = Normal(found.posterior.mean, (0.5 * found.posterior.log_variance).exp())
    prior = Normal(found.prior.mean, (0.5 * found.prior.log_variance).exp())
    torch.testing.assert_close(
        elbo.kl_divergence(found.posterior, found.prior), kl_divergence(posterior, prior).sum(-1)
    )


@pytest.mark.parametrize("n_frames", [9, 10])
def test_noise_is_drawn_at_every_frame(n_frames: int) -> None:
    one, two = (make().reconstruct(features(n_frames), noisy(seed)) for seed in (1, 2))
    assert (one.latent[..., :3] != two.latent[..., :3]).all()

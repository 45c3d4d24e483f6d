"""Generators: what stands in for an encoder, the layers by hand, and the convolutional VAE's use of its neighbours."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.models.contract import ModelChoice, most_likely
from sepvae.objectives.elbo import sampler


def network(kind: str = "generator", **settings: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ModelChoice.of(kind, settings).build(n_inputs=6, n_outputs=4).double()


def features(n_frames: int = 3) -> Tensor:
    return torch.rand(2, n_frames, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("settings", "n_latent"), [({}, 6), ({"latent": 2}, 2)])
def test_without_an_encoder_latents_are_of_the_prior(settings: dict[str, Any], n_latent: int) -> None:
    model = network(**settings)
    posterior = model.encode(features())
    assert posterior.mean.shape == (2, 3, n_latent)
    assert not posterior.mean.any()
    assert posterior.log_variance is not None
    assert not posterior.log_variance.any()
    draws = [
        model.reconstruct(features(200), sampler(1.0, torch.Generator().manual_seed(seed))).latent for seed in (1, 2)
    ]
    assert not torch.equal(*draws)
    assert draws[0].mean().abs() < 0.1
    assert 0.9 < draws[0].std() < 1.1


def test_the_latent_of_an_identity_is_the_spectrum() -> None:
    found = network(encoder="identity", latent=2).reconstruct(features(), most_likely)
    assert torch.equal(found.latent, features())
    assert found.posterior.log_variance is None


def test_one_hidden_layer_of_softplus() -> None:
    model = network(latent=2, hidden=5)
    latent = features()[..., :2]
    (first, _, second, _) = model.decoder
    hidden = (1 + (latent @ first.weight.T + first.bias).exp()).log()
    wanted = (1 + (hidden @ second.weight.T + second.bias).exp()).log()
    torch.testing.assert_close(model.decode(latent).spectrum, wanted)
    assert first.weight.shape == (5, 2)


def test_a_critic_scores_frames_and_is_left_out_when_not_asked_for() -> None:
    model = network(critic=7)
    assert model.critic(torch.rand(2, 3, 4).double()).shape == (2, 3, 1)
    assert network().critic is None
    assert {name.partition(".")[0] for name, _ in network().named_parameters()} == {"decoder"}


def test_a_frame_of_the_convolutional_vae_depends_on_its_context_alone() -> None:
    model = network("conv_time_vae", hidden=4, latent=2, encoder_blocks=2, decoder_blocks=1)
    assert model.context_frames == 3  # dilations 1 and 2
    values = features(20).requires_grad_()
    mean = model.encode(values).mean
    assert mean.shape[1] == 14
    (slope,) = torch.autograd.grad(mean[0, 5].sum(), values)
    assert [frame for frame in range(20) if slope[0, frame].any()] == list(range(5, 12))
    latent = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(model.decode(latent).spectrum[0, 4].sum(), latent)
    assert [frame for frame in range(9) if slope[0, frame].any()] == [3, 4, 5]

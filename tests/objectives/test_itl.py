"""The ITL objective: reconstruction plus the weighted divergence of the codes, and nothing sampled."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.objectives import PRIORS
from sepvae.objectives.contract import Batch, Loss
from sepvae.objectives.divergences import cauchy_schwarz_divergence, euclidean_divergence, median_kernel_variance
from sepvae.objectives.itl import Itl, ItlConfig
from sepvae.seeds import torch_generator


def network(**settings: Any) -> Any:
    config = ModelChoice.of("dense_vae", {"hidden": [6], "latent": 3, "deterministic": True, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return config.build(n_inputs=4, n_outputs=4)


def values(seed: int) -> torch.Tensor:
    return torch.rand(5, 2, 4, generator=torch.Generator().manual_seed(seed))


def loss_of(models: dict[str, Any], **settings: Any) -> Loss:
    targets = {name: values(1) for name in models}
    return Itl(ItlConfig(**settings))(models, Batch(values(0), targets, 0, torch_generator(0, "noise")))


@pytest.mark.parametrize("divergence", ["cauchy_schwarz", "euclidean"])
@pytest.mark.parametrize("variance", [None, 0.5])
def test_the_divergence_by_hand(divergence: str, variance: float | None) -> None:
    model = network()
    loss = loss_of({"a": model}, divergence=divergence, weight=3.0, kernel_variance=variance, prior_std=2.0)
    codes = model.encode(values(0)).mean.reshape(10, 3)
    prior = 2 * PRIORS.resolve("gaussian")(10, 3, torch_generator(0, "noise"))
    kernel_variance = variance or median_kernel_variance(codes, prior)
    function = {"cauchy_schwarz": cauchy_schwarz_divergence, "euclidean": euclidean_divergence}[divergence]
    torch.testing.assert_close(loss.terms["a/divergence"], 3 * function(codes, prior, kernel_variance=kernel_variance))
    nll = 0.5 * (values(1) - model.decode(model.encode(values(0)).mean).spectrum).square()
    expected = nll.sum(-1).mean() + 4 * 0.5 * torch.log(torch.tensor(2 * torch.pi))
    torch.testing.assert_close(loss.terms["a/reconstruction"], expected)


def test_weight_0_is_an_autoencoder() -> None:
    loss = loss_of({"a": network()}, weight=0.0)
    assert float(loss.terms["a/divergence"].detach()) == 0
    torch.testing.assert_close(loss.total, loss.terms["a/reconstruction"])


def test_a_variational_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="objective itl needs a deterministic encoder"):
        loss_of({"a": network(deterministic=False)})

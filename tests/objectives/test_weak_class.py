"""Training from class labels: a class explains what it is in, and no target is ever asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.objectives.contract import Batch, Loss
from sepvae.objectives.elbo import kl_divergence
from sepvae.objectives.weak_class import WeakClass, WeakClassConfig
from sepvae.seeds import torch_generator

BINS = 4


def networks(**settings: Any) -> dict[str, Any]:
    config = ModelChoice.of("dense_vae", {"hidden": [6], "latent": 2, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {name: config.build(n_inputs=BINS, n_outputs=BINS).double() for name in ("a", "b")}


def spectra(seed: int, batch: int = 4) -> Tensor:
    return torch.rand(batch, 3, BINS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss_of(mixtures: Tensor, present: dict[str, Tensor] | None = None, **settings: Any) -> Loss:
    objective = WeakClass(WeakClassConfig(**{"epsilon_std": 0.0, **settings}))
    return objective(networks(), Batch(mixtures, {}, 0, torch_generator(0, "noise"), present=present))


def output(name: str, values: Tensor) -> Tensor:
    model = networks()[name]
    return model.decode(model.encode(values).mean).spectrum


def divergence(target: Tensor, estimate: Tensor) -> Tensor:
    return (target * (target / estimate).log() - target + estimate).sum(-1).mean()


def test_a_mixture_is_explained_by_the_classes_that_are_in_it() -> None:
    mixtures = spectra(0)
    present = {"a": torch.tensor([True, True, False, True]), "b": torch.tensor([True, False, True, True])}
    loss = loss_of(mixtures, present, beta=2.0)
    both, a, b = mixtures[[0, 3]], mixtures[[1]], mixtures[[2]]
    parts = [divergence(both, output("a", both) + output("b", both)), divergence(a, output("a", a))]
    parts.append(divergence(b, output("b", b)))
    expected = (2 * parts[0] + parts[1] + parts[2]) / 4
    torch.testing.assert_close(loss.terms["mixture"], expected, rtol=1e-4, atol=1e-4)
    # So are the terms of the latents: those of a class that is not there are free.
    network = networks()["a"]
    kl = 2 * kl_divergence(network.encode(mixtures[[0, 1, 3]])).sum() / mixtures[..., 0].numel()
    torch.testing.assert_close(loss.terms["a/kl"], kl)


def test_without_labels_all_classes_are_in_all_mixtures() -> None:
    everywhere = {name: torch.ones(4, dtype=torch.bool) for name in ("a", "b")}
    torch.testing.assert_close(loss_of(spectra(0)).total, loss_of(spectra(0), everywhere).total)


def test_different_features_are_refused() -> None:
    mixtures = spectra(0)
    models = {"a": ModelChoice.of("dense_vae", {"hidden": [6], "latent": 2}).build(n_inputs=BINS, n_outputs=3).double()}
    with pytest.raises(ConfigError, match="compares outputs with inputs: make both features the same"):
        WeakClass(WeakClassConfig())(models, Batch(mixtures, {}, 0, torch_generator(0, "noise")))

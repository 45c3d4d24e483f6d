"""Training from class labels: only sums matter, never how a mixture splits into its sources."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.objectives.contract import Batch, Loss
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


def loss_of(mixtures: Tensor, targets: dict[str, Tensor], **settings: Any) -> Loss:
    objective = WeakClass(WeakClassConfig(**{"epsilon_std": 0.0, **settings}))
    return objective(networks(), Batch(mixtures, targets, 0, torch_generator(0, "noise")))


def test_how_a_mixture_splits_does_not_matter() -> None:
    mixtures, targets = spectra(0), {"a": spectra(1), "b": spectra(2)}
    # What one item's source gains, the next one's loses: sums of neighbours in a batch of two stay.
    moved = torch.cat([torch.full((1, 3, BINS), 0.1), torch.full((1, 3, BINS), -0.1)]).double()
    mixtures, targets = mixtures[:2], {name: target[:2] for name, target in targets.items()}
    other = {"a": targets["a"] + moved, "b": targets["b"] - moved}
    torch.testing.assert_close(loss_of(mixtures, targets).total, loss_of(mixtures, other).total)


def test_the_terms_by_hand() -> None:
    mixtures, targets = spectra(0), {"a": spectra(1), "b": spectra(2)}
    models = networks()
    loss = loss_of(mixtures, targets, beta=0.0, single_class_weight=2.0)

    def output(name: str, values: Tensor) -> Tensor:
        return models[name].decode(models[name].encode(values).mean).spectrum

    def divergence(target: Tensor, estimate: Tensor) -> Tensor:
        return (target * (target / estimate).log() - target + estimate).sum(-1).mean()

    both = divergence(mixtures, output("a", mixtures) + output("b", mixtures))
    torch.testing.assert_close(loss.terms["mixture"], both, rtol=1e-4, atol=1e-4)
    alone = targets["a"] + torch.cat([targets["a"][-1:], targets["a"][:-1]])
    expected = 2 * divergence(alone, output("a", alone))
    torch.testing.assert_close(loss.terms["a/alone"], expected, rtol=1e-4, atol=1e-4)


def test_different_features_are_refused() -> None:
    with pytest.raises(ConfigError, match="compares outputs with inputs: make both features the same"):
        loss_of(spectra(0)[..., :3], {"a": spectra(1), "b": spectra(2)})

"""Optimisers: each weight is moved by one of them, and Muon's steps are orthogonal matrices of AdamW's size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sepvae.errors import ConfigError
from sepvae.training.config import OptimiserConfig
from sepvae.training.optimisers import make_optimisers


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 16), nn.LayerNorm(16), nn.Linear(16, 16), nn.Conv1d(16, 4, 3))


def moved(network: nn.Module, config: OptimiserConfig, *, steps: int = 1) -> list[torch.Tensor]:
    """Return how far each weight has gone with gradients that follow no pattern."""
    weights = list(network.parameters())
    before = [weight.detach().clone() for weight in weights]
    optimisers = make_optimisers(weights, config)
    for _ in range(steps):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        for optimiser in optimisers:
            optimiser.step()
    return [weight.detach() - old for weight, old in zip(weights, before, strict=True)]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_weight_is_moved_by_one_optimiser(network: nn.Module, kind: str) -> None:
    found = make_optimisers(network.parameters(), OptimiserConfig.model_validate({"kind": kind}))
    own = [weight for optimiser in found for group in optimiser.param_groups for weight in group["params"]]
    assert sorted(map(id, own)) == sorted(map(id, network.parameters()))
    assert len(found) == (2 if kind == "muon" else 1)


def test_muon_moves_matrices_by_orthogonal_ones(network: nn.Module) -> None:
    for step in moved(network, OptimiserConfig(kind="muon", learning_rate=0.01)):
        if step.ndim == 2:
            spread = torch.linalg.svdvals(step)
            # The iteration behind it brings singular values near 1 and not onto it.
            assert spread.max() / spread.min() < 3
            assert spread.mean() == pytest.approx(0.01 * 0.2 * max(step.shape) ** 0.5, rel=0.35)


def test_steps_of_both_are_of_one_size(network: nn.Module) -> None:
    """One learning rate serves both: a matrix goes about as far per weight as the others, and as with AdamW."""
    lengths = {}
    for kind in ("adamw", "muon"):
        config = OptimiserConfig.model_validate({"kind": kind, "learning_rate": 0.001})
        lengths[kind] = [float(step.square().mean().sqrt()) for step in moved(network, config, steps=20)]
    for one, other in zip(lengths["adamw"], lengths["muon"], strict=True):
        assert 0.4 < one / other < 2.5


def test_muon_without_matrices_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.kind = muon: .* choose adamw"):
        make_optimisers(nn.Conv1d(2, 2, 3).parameters(), OptimiserConfig(kind="muon"))

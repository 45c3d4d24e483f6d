"""Small models of clean speech, untrained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sepvae.config import parse_config
from sepvae.estimator.checkpoint import Checkpoint
from sepvae.training.config import TrainingConfig, fresh_checkpoint

TRAINING: dict[str, Any] = {
    "frontend": {
        "sample_rate": 8000,
        "stft": {"window_ms": 16, "hop_ms": 4, "window": "sine"},
        "input": {"kind": "log_power", "floor": 1e-5},
        "target": {"kind": "power"},
    },
    "model": {"settings": {"hidden": [16], "latent": 4, "activation": "tanh", "output": "exp"}},
    "objective": {"settings": {"likelihood": "itakura_saito"}},
}


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Checkpoint]:
    def make(sources: tuple[str, ...] = ("speech",), **changes: Any) -> Checkpoint:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return fresh_checkpoint(parse_config(TrainingConfig, {**TRAINING, **changes}, where="test"), sources)

    return make


@pytest.fixture
def model(make_model: Callable[..., Checkpoint]) -> Checkpoint:
    return make_model()

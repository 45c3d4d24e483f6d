"""Small configs, and one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from sepvae.config import parse_config
from sepvae.training.config import TrainingConfig

RATE = 8000


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """These networks are too small to share, and bits may depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_config() -> Callable[..., TrainingConfig]:
    """Return a maker of small configs: keys of the optimiser, and whole parts by name."""

    def make(
        *, model: dict[str, Any] | None = None, objective: dict[str, Any] | None = None, **optimiser: Any
    ) -> TrainingConfig:
        settings = {
            "frontend": {"sample_rate": RATE},
            "model": {"settings": {"hidden": [16], "latent": 4, **(model or {})}},
            "objective": {"settings": {"beta": 0.01, **(objective or {})}},
            "optimiser": {"epochs": 4, "batch_size": 64, "learning_rate": 3e-3, **optimiser},
        }
        return parse_config(TrainingConfig, settings, where="test")

    return make

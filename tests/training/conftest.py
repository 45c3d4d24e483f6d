"""A corpus that a tiny network learns in a second: low hums against high hisses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.config import parse_config
from sepvae.files import hash_file
from sepvae.mixing.manifest import Mixture, Source
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData

RATE, LENGTH = 8000, 2400


def _wave(name: str, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    time = np.arange(LENGTH) / RATE
    envelope = 0.2 + np.abs(np.sin(2 * np.pi * rng.uniform(2, 6) * time + rng.uniform(0, 6)))
    if name == "hum":
        pitch = rng.uniform(90, 140)
        tone = sum(np.sin(2 * np.pi * pitch * k * time) for k in range(1, 9))
        return (0.05 * envelope * tone).astype(np.float32)
    hiss = np.diff(rng.standard_normal(LENGTH + 2), 2)
    return (0.05 * envelope * hiss).astype(np.float32)


def make_mixture(root: Path, number: int, split: str, names: tuple[str, ...] = ("hum", "hiss")) -> Mixture:
    """Write the sources of a mixture and return its record."""
    rng = np.random.default_rng(number)
    sources = []
    for name in names:
        path = root / f"{name}{number}.wav"
        audio.write(path, _wave(name, rng), sample_rate=RATE)
        sources.append(
            Source(
                name=name,
                utterance=path.stem,
                path=path.name,
                speaker=name,
                sex="unknown",
                sha256=hash_file(path),
                start=0,
                n_samples=LENGTH,
                offset=0,
                gain=1.0,
            )
        )
    return Mixture(
        id=f"{split}-{number}", split=split, sample_rate=RATE, n_samples=LENGTH, sources=tuple(sources), seed=number
    )


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """These networks are too small to share, and bits may depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    root = tmp_path_factory.mktemp("corpus")
    train = [make_mixture(root, number, "train") for number in range(6)]
    return TrainingData(train, [make_mixture(root, number, "valid") for number in (10, 11)], root)


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

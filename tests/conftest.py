"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sepvae.mixing.manifest import Mixture
    from sepvae.training.loop import TrainingData

# No test fails because a machine is slow, or passes by the luck of the draw.
settings.register_profile("sepvae", deadline=None, derandomize=True, database=None)
settings.load_profile("sepvae")

PROJECT = Path(__file__).resolve().parent.parent
RATE, LENGTH = 8000, 2400


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real recordings; tests that need it skip when it is absent, or fail where it must be there."""
    folder = Path(os.environ.get("SEPVAE_CORPORA", PROJECT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        reason = f"no real recordings at {folder}: set SEPVAE_CORPORA"
        if os.environ.get("SEPVAE_REQUIRE_CORPORA"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


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
    from sepvae import audio
    from sepvae.files import hash_file
    from sepvae.mixing.manifest import Mixture, Source

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


@pytest.fixture(scope="session")
def humming(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """A corpus that a tiny network learns in a second: low hums against high hisses, at 8 kHz."""
    from sepvae.training.loop import TrainingData

    root = tmp_path_factory.mktemp("humming")
    train = [make_mixture(root, number, "train") for number in range(6)]
    return TrainingData(train, [make_mixture(root, number, "valid") for number in (10, 11)], root)

"""A small model and a recording to run the command line with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.training.config import TrainingConfig, fresh_checkpoint


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model for 16 kHz: it separates badly, but by the book."""
    folder = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(
            folder / "model", fresh_checkpoint(TrainingConfig(), ["female", "male"]), provenance={"seed": 0}
        )
    return folder / "model"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16000)).astype(np.float32)
    audio.write(path, wave, sample_rate=16000)
    return path

"""The command line as a user runs it, and a small trained model to run it with."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.cli import main
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.training.config import TrainingConfig, fresh_checkpoint

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def program() -> Run:
    """The program in a process of its own, as a user starts it: two seconds for the import of torch."""

    def run(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sepvae", *(str(arg) for arg in args)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)  # type: ignore[call-overload, no-any-return]

    return run


@pytest.fixture(scope="session")
def sepvae() -> Run:
    """The same command in this process, with what `program` returns; each verb has a test that starts the program."""

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command, out, err = [str(arg) for arg in args], io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(command)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

    return run


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

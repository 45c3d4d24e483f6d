"""A small corpus in the layout of TIMIT, with text, words and phones, and ways to compare two results."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented import run as run_module
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.pipeline import RunSpec, Task
from sepvae.augmented.records import Record, read_records
from sepvae.augmented.run import RunOptions, RunSummary, augment_corpus
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus

RATE = 16000
METHODS = ["reverberation", "speed", "speed+gain+reverberation"]
SPEAKERS = ("FABC0", "FDEF0", "MGHI0", "MJKL0")


def write_utterance(folder: Path, sentence: str, number: int, n_samples: int) -> None:
    """Write a modulated tone with its text, two words and three phones."""
    time = np.arange(n_samples) / RATE
    wave = 0.2 * np.sin(2 * np.pi * (150 + 40 * number) * time) * (0.3 + np.abs(np.sin(2 * np.pi * 3 * time)))
    folder.mkdir(parents=True, exist_ok=True)
    audio.write(folder / f"{sentence}.WAV", wave.astype(np.float32), sample_rate=RATE, subtype="pcm16")
    third = n_samples // 3
    (folder / f"{sentence}.TXT").write_text(f"0 {n_samples} Say number {number}.\n")
    (folder / f"{sentence}.WRD").write_text(f"{third} {2 * third} say\n{2 * third} {n_samples} number\n")
    (folder / f"{sentence}.PHN").write_text(f"0 {third} h#\n{third} {2 * third} s\n{2 * third} {n_samples} ey\n")


def make_corpus(root: Path, utterances: int = 3) -> Path:
    """Write a corpus of four speakers."""
    for number, speaker in enumerate(SPEAKERS):
        for sentence in range(utterances):
            n_samples = 8000 + 1600 * sentence + 371 * number
            write_utterance(root / "TRAIN" / "DR1" / speaker, f"SX{sentence + 1}", number + sentence, n_samples)
    return root


def hashes(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder, hidden ones included."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of twelve utterances."""
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def new_corpus() -> Callable[[Path], Path]:
    """What makes a corpus that a test may damage."""
    return make_corpus


@pytest.fixture
def contents() -> Callable[[Path], dict[str, str]]:
    """What hashes every file of a result."""
    return hashes


@pytest.fixture
def run_killed() -> Callable[..., Path]:
    """What augments a corpus by the program, killing it whenever so many files are made, and to the end in this one."""

    def run(corpus: Path, out: Path, *options: str, kills: Sequence[int] = ()) -> Path:
        arguments = ["augment", "run", f"{corpus}", "--out", f"{out}", "-q", "-j", "1", *options]
        command = [sys.executable, "-m", "sepvae", *arguments]
        for n_files in kills:
            # The workers are not killed with it: they end by themselves.
            process, give_up = subprocess.Popen(command, start_new_session=True), time.monotonic() + 300
            while len(list(out.glob("audio/*/*.wav"))) < n_files and process.poll() is None:
                assert time.monotonic() < give_up
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert main(arguments) == 0
        return out

    return run


def config(**settings: Any) -> AugmentConfig:
    return parse_config(AugmentConfig, {"methods": METHODS, "copies": 2, **settings}, where="test")


def augment(corpus: Path, out: Path, *, how: RunOptions | None = None, **settings: Any) -> RunSummary:
    return augment_corpus(open_corpus(corpus), out, config(**settings), run=how)


def records(out: Path) -> dict[str, Record]:
    return {record.id: record for record in read_records(out)}


def interrupted(monkeypatch: pytest.MonkeyPatch, corpus: Path, out: Path, after: int, **settings: Any) -> None:
    """Run until `after` blocks are journalled."""
    make, done = run_module.run_task, 0

    def failing(job: RunSpec, task: Task) -> Any:
        nonlocal done
        done += 1
        if done > after:
            raise KeyboardInterrupt
        return make(job, task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_module, "run_task", failing)
        augment(corpus, out, **settings)


@pytest.fixture(scope="session")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    summary = augment(corpus, out)
    assert summary.complete
    assert (summary.n_records, summary.n_failures) == (12 * 3 * 2, 0)
    assert summary.made_s > 0
    return out


@pytest.fixture(scope="session")
def model(segment_model: Path) -> Path:
    """A convolutional model of segments that has learnt the voices of `speech`, with its basis."""
    return segment_model

"""Fixtures that every room shares."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from .speech_models import any_segment_model as any_segment_model
from .speech_models import augmenter as augmenter
from .speech_models import segment_model as segment_model
from .speech_models import speech as speech

if TYPE_CHECKING:
    from sepvae.mixing.manifest import Mixture
    from sepvae.training.loop import TrainingData

# No test fails because a machine is slow, or passes by the luck of the draw.
settings.register_profile("sepvae", deadline=None, derandomize=True, database=None)
settings.load_profile("sepvae")

PROJECT = Path(__file__).resolve().parent.parent
RATE, LENGTH = 8000, 2400

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Requests to end as a program at a terminal hears them: what starts the tests in the background ignores some."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    numbers = {getattr(signal, name): handler for name, handler in usual.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


@pytest.fixture(scope="session")
def program() -> Run:
    """The program in a process of its own, as a user starts it: two seconds for the import of torch."""

    def run(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sepvae", *(str(arg) for arg in args)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, **options)  # type: ignore[call-overload, no-any-return]

    return run


@pytest.fixture(scope="session")
def sepvae() -> Run:
    """The same command in this process, with what `program` returns; each verb has a test that starts the program."""
    from sepvae.cli import main

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
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """What returns a folder that only the first of all pytest's processes to ask for it fills; only read it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.made").exists():
                make(shared / name)
                (shared / f"{name}.made").touch()
        return shared / name

    return folder


def _wave(name: str, rng: np.random.Generator, n_samples: int = LENGTH) -> np.ndarray[Any, Any]:
    time = np.arange(n_samples) / RATE
    envelope = 0.2 + np.abs(np.sin(2 * np.pi * rng.uniform(2, 6) * time + rng.uniform(0, 6)))
    if name == "hum":
        pitch = rng.uniform(90, 140)
        tone = sum(np.sin(2 * np.pi * pitch * k * time) for k in range(1, 9))
        return (0.05 * envelope * tone).astype(np.float32)
    hiss = np.diff(rng.standard_normal(n_samples + 2), 2)
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


@pytest.fixture(scope="session")
def voice_settings() -> dict[str, Any]:
    """Settings under which a conditional VAE learns hums from hisses in a second."""
    blocks = dict.fromkeys(("encoder_blocks", "decoder_blocks", "inference_blocks"), 1)
    return {
        "frontend": {
            "sample_rate": RATE,
            # `voices_of` jumps by 20 dB every 100 ms, and of such no level of speech can be told.
            "levels": "whole",
            "stft": {"window_ms": 32, "hop_ms": 8},
            "input": {"kind": "power"},
            "target": {"kind": "power"},
        },
        "model": {"kind": "conditional_vae", "settings": {"hidden": 16, "latent": 2, **blocks}},
        "objective": {"kind": "conditional_elbo", "settings": {"hop_s": 0.008}},
        "optimiser": {"epochs": 20, "batch_size": 8, "segment_frames": 20, "learning_rate": 0.01},
    }


@pytest.fixture(scope="session")
def voice_model(
    humming: TrainingData, voice_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run folder of a conditional VAE that knows the speakers hiss and hum, for recordings at 8 kHz."""
    return _train_voices(humming, voice_settings, tmp_path_factory)


@pytest.fixture(scope="session")
def gated_voice_model(
    humming: TrainingData, voice_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same of one that goes by the level of the speech."""
    settings = {**voice_settings, "frontend": {**voice_settings["frontend"], "levels": "gated"}}
    return _train_voices(humming, settings, tmp_path_factory)


def _train_voices(humming: TrainingData, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sepvae.config import parse_config
    from sepvae.mixing.single_source import speech_mixtures
    from sepvae.training.config import TrainingConfig
    from sepvae.training.loop import TrainingData, train

    folder = tmp_path_factory.mktemp("voices")
    train_items, valid_items = (speech_mixtures(split, humming.root) for split in (humming.train, humming.valid))
    data = TrainingData(train_items, valid_items, humming.root)
    train(parse_config(TrainingConfig, settings, where="test"), data, folder, device="cpu")
    return folder


def delayed(wave: np.ndarray[Any, Any], samples: float) -> np.ndarray[Any, Any]:
    """Return a wave (time,) later by a number of samples that need not be whole; what leaves comes in again."""
    turns = np.exp(-2j * np.pi * np.fft.rfftfreq(len(wave)) * samples)
    return np.fft.irfft(np.fft.rfft(wave) * turns, len(wave))


@pytest.fixture(scope="session")
def hear() -> Callable[..., np.ndarray[Any, Any]]:
    """Return what microphones hear of waves: all of them at the first, later and softer at the others."""

    def channels(waves: Mapping[str, np.ndarray[Any, Any]], delays: Mapping[str, tuple[float, ...]]) -> Any:
        first = sum(waves.values())
        (count,) = {len(late) for late in delays.values()}
        others = [sum((0.9 - 0.1 * k) * delayed(waves[name], delays[name][k]) for name in waves) for k in range(count)]
        return np.stack([first, *others]).astype(np.float32)

    return channels


@pytest.fixture(scope="session")
def voices_of() -> Callable[..., dict[str, np.ndarray[Any, Any]]]:
    """Return waves at 8 kHz that come and go, by name: hums and hisses with a little noise, and noise."""

    def waves(*names: str, n_samples: int = 12000, seed: int = 50) -> dict[str, np.ndarray[Any, Any]]:
        found = {}
        for number, name in enumerate(names):
            rng = np.random.default_rng([seed, number])
            gate = np.repeat(rng.exponential(size=n_samples // 800 + 1) ** 2, 800)[:n_samples]
            noise = rng.standard_normal(n_samples)
            voice = _wave(name, rng, n_samples) + 0.01 * noise if name in ("hum", "hiss") else 0.03 * noise
            found[name] = gate * voice
        return found

    return waves

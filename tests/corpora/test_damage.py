"""Files that went through a program for text are found, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.corpora.damage import examine
from sepvae.corpora.records import open_corpus
from sepvae.corpora.validate import validate
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.protocol import make_mixtures

RATE = 16000


def voice(seconds: float = 2.0, *, level: float = 0.2, seed: int = 0) -> np.ndarray:
    """Something as smooth as a voice: harmonics of 120 Hz with a slow envelope and a little noise."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 20)) * (1.2 + np.sin(8 * time))
    wave = wave / np.abs(wave).max() * level + np.random.default_rng(seed).normal(0, 2e-4, len(time))
    return np.rint(wave * 32768).astype("<i2")


def as_wave(samples: np.ndarray) -> np.ndarray:
    return (samples / 32768).astype(np.float32)


def through_text_mode(samples: np.ndarray) -> np.ndarray:
    """What Python's own universal newlines make of the bytes."""
    data = samples.tobytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


@settings(max_examples=30, deadline=None)
@given(level=st.floats(0.001, 0.99), seed=st.integers(0, 100))
def test_whole_files_are_left_alone(level: float, seed: int) -> None:
    assert examine(as_wave(voice(level=level, seed=seed))).shifted_from is None


@pytest.mark.parametrize("level", [0.001, 0.1, 0.5])
def test_noise_is_no_damage(level: float) -> None:
    noise = np.random.default_rng(0).normal(0, level, 40000).clip(-1, 1)
    damage = examine(as_wave(np.rint(noise * 32767).astype("<i2")))
    assert damage.shifted_from is None
    assert not damage.text_mode


@settings(max_examples=30, deadline=None)
@given(position=st.integers(2000, 20000), seed=st.integers(0, 100))
def test_a_lost_byte_is_found_where_it_was_lost(position: int, seed: int) -> None:
    data = voice(seed=seed).tobytes()
    torn = np.frombuffer((data[: 2 * position] + data[2 * position + 1 :] + b"\0")[: len(data)], "<i2")
    found = examine(as_wave(torn)).shifted_from
    assert found is not None
    assert abs(found - position) <= 3 * 128


def test_text_mode_is_recognised_by_the_byte_that_is_missing() -> None:
    samples = voice(4.0)
    assert not examine(as_wave(samples)).text_mode
    assert examine(as_wave(through_text_mode(samples))).text_mode


@pytest.mark.parametrize("n_samples", [0, 1, 127, 128, 129])
def test_short_files(n_samples: int) -> None:
    assert examine(np.zeros(n_samples, np.float32)).shifted_from is None


def test_damaged_files_are_reported_and_not_mixed(tmp_path: Path) -> None:
    for number in range(24):
        samples = voice(2.5, seed=number)
        if number % 6 == 0:
            data = samples.tobytes()
            samples = np.frombuffer((data[:9000] + data[9001:] + b"\0")[: len(data)], "<i2")
        path = tmp_path / f"speaker{number % 4}" / f"u{number}.wav"
        audio.write(path, as_wave(samples), sample_rate=RATE, subtype="pcm16")
    corpus = open_corpus(tmp_path)
    damaged = {problem.item for problem in validate(corpus).problems if problem.code == "shifted_bytes"}
    assert len(damaged) == 4
    config = MixingConfig(sources=("any", "any"), n_train=8, n_valid=0, n_test=1)
    manifest = make_mixtures(list(corpus.utterances()), config, root=tmp_path, seed=0)
    assert not damaged & {source.path for mixture in manifest.mixtures for source in mixture.sources}
    assert any("4 of 24 utterances were left out" in note for note in manifest.header.notes)


def test_real_recordings_that_went_through_a_program_for_text(corpora: Path) -> None:
    found = {
        path.stem: examine(audio.read(path).wave[0]) for path in (corpora / "timit-damaged/dr5-mbgt0").glob("*.wav")
    }
    assert len(found) == 10 and all(damage.text_mode for damage in found.values())
    shifted = {name for name, damage in found.items() if damage.shifted_from is not None}
    assert shifted == {"sa1", "si1841", "si711", "sx171", "sx351", "sx441"}


@pytest.mark.parametrize("name", ["timit-sample", "librispeech-sample"])
def test_whole_real_recordings_are_left_alone(corpora: Path, name: str) -> None:
    paths = [path for path in (corpora / name).rglob("*") if path.suffix in (".wav", ".flac")]
    assert paths
    for path in paths:
        damage = examine(audio.read(path).wave[0])
        assert (damage.shifted_from, damage.text_mode) == (None, False), path

"""Noise and reverberation that keep to some of the recordings of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation.classical import Noise, NoiseConfig, Reverberation, ReverberationConfig
from sepvae.augmentation.contract import DrawContext
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError

RATE = 16000
UTTERANCE = Utterance("U", "u.wav", "S", "female", None, RATE, RATE)


def draw(seed: int) -> DrawContext:
    return DrawContext(UTTERANCE, np.random.default_rng(seed), ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("rain/a", "rain/b", "wind/a"):
        wave = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
        audio.write(tmp_path / f"{name}.wav", wave, sample_rate=RATE)
    return tmp_path


def test_only_the_named_recordings_are_drawn(folder: Path) -> None:
    names = ("rain/b.wav", "wind/a.wav")
    noise = Noise(NoiseConfig(folder=str(folder), only=names), model=None, root=folder, device="cpu")
    room = Reverberation(ReverberationConfig(folder=str(folder), only=names), model=None, root=folder, device="cpu")
    for augmentation in (noise, room):
        assert {augmentation.draw(draw(seed))["path"] for seed in range(30)} == set(names)


def test_a_kind_without_any_of_them_is_never_drawn(folder: Path) -> None:
    noise = Noise(NoiseConfig(folder=str(folder), only=("rain/a.wav",)), model=None, root=folder, device="cpu")
    assert {noise.draw(draw(seed))["kind"] for seed in range(10)} == {"rain"}


def test_synthetic_recordings_can_be_named_too() -> None:
    noise = Noise(NoiseConfig(only=("water/5",)), model=None, root=Path(), device="cpu")
    assert {noise.draw(draw(seed))["path"] for seed in range(5)} == {"water/5"}


def test_all_are_drawn_when_none_is_named(folder: Path) -> None:
    noise = Noise(NoiseConfig(folder=str(folder)), model=None, root=folder, device="cpu")
    assert {noise.draw(draw(seed))["path"] for seed in range(40)} == {"rain/a.wav", "rain/b.wav", "wind/a.wav"}


def test_unknown_recordings_are_named(folder: Path) -> None:
    config = NoiseConfig(folder=str(folder), only=("rain/x.wav",))
    with pytest.raises(
        ConfigError, match=r"noise.only: there is no recording 'rain/x.wav': they are rain/a.wav, rain/b"
    ):
        Noise(config, model=None, root=folder, device="cpu")
    with pytest.raises(ConfigError, match=r"reverberation.only: there is no recording '1.wav'"):
        Reverberation(ReverberationConfig(only=("1.wav",)), model=None, root=folder, device="cpu")

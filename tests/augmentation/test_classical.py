"""The promised quantity is measured in the output; what holds for all augmentations is in tests/contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmentation.classical import decaying_noise
from sepvae.augmentation.contract import Augmentation, DrawContext, augmentation_class
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError

RATE = 16000
UTTERANCE = Utterance("a_1", "a/1.wav", "a", "female", None, RATE, 16000)
CLASSICAL = ("noise", "reverberation", "speed", "gain", "band_pass")


def build(name: str, **settings: Any) -> Augmentation:
    kind = augmentation_class(name)
    config = parse_config(kind.Config, settings, where=name)
    return kind(config, model=None, root=Path(), device="cpu")


def drawn(augmentation: Augmentation, seed: int = 0) -> dict[str, Any]:
    return augmentation.draw(DrawContext(UTTERANCE, np.random.default_rng(seed), [UTTERANCE]))


def speech(n_samples: int = 16000, channels: int = 1, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    envelope = 0.2 + np.abs(np.sin(np.arange(n_samples) / 2000))
    return (0.1 * envelope * rng.standard_normal((channels, n_samples))).astype(np.float32)


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_same_stream_draws_the_same_and_another_one_does_not(name: str) -> None:
    augmentation = build(name, **({"factors": [0.5 + 0.01 * k for k in range(100)]} if name == "speed" else {}))
    assert drawn(augmentation, 1) == drawn(augmentation, 1)
    assert len({json.dumps(drawn(augmentation, seed)) for seed in range(10)}) > 5


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_channel_is_changed_alike(name: str) -> None:
    augmentation = build(name)
    parameters = drawn(augmentation)
    mono = speech()
    stereo = augmentation.apply(np.repeat(mono, 2, axis=0), RATE, parameters)
    np.testing.assert_allclose(stereo, np.repeat(augmentation.apply(mono, RATE, parameters), 2, axis=0), atol=1e-6)


@given(snr_db=st.floats(-20, 40), seed=st.integers(0, 1000))
def test_noise_is_at_the_drawn_level(snr_db: float, seed: int) -> None:
    augmentation = build("noise", snr_db=[snr_db, snr_db])
    parameters = drawn(augmentation, seed)
    wave = speech(seed=seed)
    noise = augmentation.apply(wave, RATE, parameters).astype(np.float64) - wave
    measured = 10 * np.log10(np.square(wave, dtype=np.float64).mean() / np.square(noise).mean())
    assert measured == pytest.approx(snr_db, abs=0.01)


def test_noise_of_recordings_begins_where_drawn_and_begins_again_at_the_end(tmp_path: Path) -> None:
    ramp = np.linspace(0.1, 0.9, 1000, dtype=np.float32)
    audio.write(tmp_path / "hum" / "ramp.wav", ramp, sample_rate=RATE)
    augmentation = build("noise", folder=str(tmp_path), snr_db=0)
    wave = speech(1500)
    parameters = {"kind": "hum", "path": "hum/ramp.wav", "start": 0.25, "snr_db": 0.0}
    noise = augmentation.apply(wave, RATE, parameters) - wave
    expected = np.resize(np.roll(ramp, -250), 1500)
    np.testing.assert_allclose(noise[0] / noise[0, 0], expected / expected[0], atol=1e-3)


def test_a_silent_stretch_of_noise_is_passed_over_and_a_silent_file_named(tmp_path: Path) -> None:
    half = np.concatenate([np.zeros(8000), 0.1 * np.ones(8000)]).astype(np.float32)
    audio.write(tmp_path / "hum" / "half.wav", half, sample_rate=RATE)
    audio.write(tmp_path / "hum" / "none.wav", np.zeros(8000, np.float32), sample_rate=RATE)
    augmentation = build("noise", folder=str(tmp_path))
    wave = speech(1000)
    parameters = {"kind": "hum", "path": "hum/half.wav", "start": 0.0, "snr_db": 10.0}
    assert np.abs(augmentation.apply(wave, RATE, parameters) - wave).max() > 0
    with pytest.raises(InputError, match=r"hum/none.wav: this noise is silent: leave the file out"):
        augmentation.apply(wave, RATE, {**parameters, "path": "hum/none.wav"})


@pytest.mark.parametrize("noise_rate", [8000, 44100])
def test_noise_at_another_rate_is_resampled(tmp_path: Path, noise_rate: int) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(noise_rate) / noise_rate)
    audio.write(tmp_path / "tone.wav", np.stack([tone, 0 * tone]).astype(np.float32), sample_rate=noise_rate)
    augmentation = build("noise", folder=str(tmp_path), snr_db=0)
    wave = speech(8000)
    noise = augmentation.apply(wave, RATE, {"kind": "", "path": "tone.wav", "start": 0.5, "snr_db": 0.0}) - wave
    assert np.abs(np.fft.rfft(noise[0])).argmax() == 500


@given(factor=st.floats(0.5, 2.0).filter(lambda factor: abs(factor - 1) > 0.001), n_samples=st.integers(400, 5000))
def test_speed_scales_the_duration_by_what_it_says(factor: float, n_samples: int) -> None:
    augmentation = build("speed", factors=[factor])
    parameters = drawn(augmentation)
    made = augmentation.apply(speech(n_samples), RATE, parameters)
    assert abs(made.shape[1] - n_samples * augmentation.time_scale(parameters)) <= 1


def test_speed_moves_the_pitch() -> None:
    tone = np.sin(2 * np.pi * 400 * np.arange(16000) / RATE)[None].astype(np.float32)
    made = build("speed").apply(tone, RATE, {"factor": 1.25})
    assert np.abs(np.fft.rfft(made[0])).argmax() * RATE / made.shape[1] == pytest.approx(500, abs=2)


def test_zero_strength_is_the_identity() -> None:
    wave = speech()
    assert np.array_equal(build("gain").apply(wave, RATE, {"gain_db": 0.0}), wave)
    assert np.array_equal(build("speed").apply(wave, RATE, {"factor": 1.0}), wave)
    dry = {"rt60_s": 0.3, "direct_to_reverberant_db": 120.0, "seed": 1}
    np.testing.assert_allclose(build("reverberation").apply(wave, RATE, dry), wave, atol=1e-5)


@given(gain_db=st.floats(-60, 20))
def test_gain_is_the_drawn_one(gain_db: float) -> None:
    wave = speech(2000)
    made = build("gain").apply(wave, RATE, {"gain_db": gain_db})
    assert 20 * np.log10(np.abs(made).max() / np.abs(wave).max()) == pytest.approx(gain_db, abs=1e-3)


@given(rt60_s=st.floats(0.1, 1.5), direct_db=st.floats(-10, 20), seed=st.integers(0, 1 << 40))
def test_synthetic_rooms_decay_by_60_db_and_have_the_drawn_direct_sound(
    rt60_s: float, direct_db: float, seed: int
) -> None:
    response = decaying_noise(rt60_s=rt60_s, direct_to_reverberant_db=direct_db, seed=seed, sample_rate=RATE)
    tail = np.square(response[1:])
    assert -10 * np.log10(tail.sum()) == pytest.approx(direct_db, abs=1e-9)
    decay = np.log10(np.cumsum(tail[::-1])[::-1][: len(tail) // 2] / tail.sum())
    slope = np.polyfit(np.arange(len(decay)) / RATE, 10 * decay, 1)[0]
    assert slope == pytest.approx(-60 / rt60_s, rel=0.25)


def test_reverberation_keeps_level_and_place(tmp_path: Path) -> None:
    response = np.zeros((2, 900), np.float32)
    response[1, 300], response[1, 700] = 1.0, 0.5
    audio.write(tmp_path / "room.wav", response, sample_rate=RATE)
    augmentation = build("reverberation", folder=str(tmp_path))
    wave = np.zeros((1, 4000), np.float32)
    wave[0, 1000] = 0.5
    made = augmentation.apply(wave, RATE, {"path": "room.wav", "channel": 1})
    assert np.abs(made[0]).argmax() == 1000, "the direct sound stays where it was"
    assert made[0, 1400] / made[0, 1000] == pytest.approx(0.5, abs=1e-4)
    assert np.square(made).sum() == pytest.approx(np.square(wave).sum(), rel=1e-4)
    with pytest.raises(InputError, match=r"room.wav: channel 0 of this impulse response is silent"):
        augmentation.apply(wave, RATE, {"path": "room.wav", "channel": 0})
    assert {drawn(augmentation, seed)["channel"] for seed in range(20)} == {0, 1}


def test_a_band_is_kept_without_delay() -> None:
    augmentation = build("band_pass", low_hz=300, high_hz=3000)
    parameters = drawn(augmentation)
    time = np.arange(16000) / RATE
    for frequency, kept in ((1000, 1.0), (60, 0.0), (6000, 0.0)):
        tone = (0.5 * np.sin(2 * np.pi * frequency * time))[None].astype(np.float32)
        middle = slice(4000, 12000)
        np.testing.assert_allclose(
            augmentation.apply(tone, RATE, parameters)[0, middle], kept * tone[0, middle], atol=0.01
        )
    with pytest.raises(InputError, match=r"300 Hz is above half of 500 Hz: set band_pass.low_hz lower"):
        augmentation.apply(speech(), 500, parameters)
    with pytest.raises(ConfigError, match=r"band_pass.low_hz 7650: at 16000 Hz bands end at 7600 Hz: set it lower"):
        drawn(build("band_pass", low_hz=[100, 7650], high_hz=9000))
    assert drawn(build("band_pass", high_hz=9000))["high_hz"] == 7600, "what is recorded is what is applied"
    for n_samples in (1, 2, 30):
        assert augmentation.apply(speech(n_samples), RATE, parameters).shape == (1, n_samples)


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"noise: snr_db: the range 20 to 5 is upside down"):
        build("noise", snr_db=[20, 5])
    with pytest.raises(ConfigError, match=r"low_hz .*give positive edges, low below high"):
        build("band_pass", low_hz=4000)
    with pytest.raises(ConfigError, match=r"speed: factors.0: 1.0004: speeds are thousandths, and this one comes to 1"):
        build("speed", factors=[1.0004])
    assert drawn(build("speed", factors=[1])) == {"factor": 1.0}
    with pytest.raises(ConfigError, match=r"did you mean 'snr_db'"):
        build("noise", snr=3)
    with pytest.raises(InputError, match=r"nowhere: no such folder: give one of noise"):
        build("noise", folder="nowhere")
    assert set(CLASSICAL) <= set(AUGMENTATIONS)

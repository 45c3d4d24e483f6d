"""The level of a file: exact, the same in any blocks, and that of who speaks whatever else is in the file."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.frontend.levels import LevelMeter, Normalisation, make_meter
from sepvae.frontend.stft import StftConfig

RATE = 16000
Rule = Literal["gated", "whole"]
RULES: list[Rule] = ["gated", "whole"]
NORMALISATIONS: list[Normalisation] = ["none", "rms", "peak"]


def meter(rule: str, normalisation: Normalisation = "rms") -> LevelMeter:
    return make_meter(rule, normalisation, hop_ms=8.0)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def talk(seconds: float, *, seed: int = 0) -> torch.Tensor:
    """Return something like speech: harmonics that move, in syllables of a fifth of a second, with a little noise."""
    stream = np.random.default_rng(seed)
    n_samples = round(seconds * RATE)
    time = np.arange(n_samples) / RATE
    pitch = 150 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 24)) + 0.02 * stream.standard_normal(n_samples)
    loudness = stream.uniform(0.2, 1.0, int(5 * seconds) + 2)
    syllables = np.interp(5 * time, np.arange(len(loudness)), loudness) * np.sin(np.pi * 5 * time) ** 2
    return torch.tensor(0.05 * voice * syllables, dtype=torch.float32)


def tone(hz: float, seconds: float, amplitude: float) -> torch.Tensor:
    return amplitude * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * RATE)) / RATE)


def around(wave: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    half = len(other) // 2
    return torch.cat([other[:half], wave, other[half:]])


def clicks(wave: torch.Tensor, count: int) -> torch.Tensor:
    changed = wave.clone()
    changed[torch.randint(len(wave), (count,), generator=torch.Generator().manual_seed(1))] = 1.0
    return changed


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_powers_have_the_level_of_their_spectra(rule: Rule, normalisation: Normalisation) -> None:
    frontend = Frontend(FrontendConfig(sample_rate=RATE, levels=rule, normalisation=normalisation))
    spectra = frontend.stft.analyse(torch.stack([talk(2.0), 0.1 * talk(2.0, seed=1)]))
    levels = frontend.levels_of_power(spectra.abs().square())
    torch.testing.assert_close(levels, frontend.levels(spectra))
    assert levels.shape == (2, 1, 1)
    for level, spectrum in zip(levels.flatten(), spectra, strict=True):
        torch.testing.assert_close(float(level), frontend.meter().add(spectrum).level, rtol=1e-5, atol=0)


def level_db(wave: torch.Tensor, *, window_ms: float = 16.0, hop_ms: float = 8.0, levels: Rule = "gated") -> float:
    frontend = Frontend(FrontendConfig(stft=StftConfig(window_ms=window_ms, hop_ms=hop_ms), levels=levels))
    found = frontend.meter().add(frontend.stft.analyse(frontend.heard(wave))).level
    return 20 * float(np.log10(found))


CHANGES = {
    "an offset": lambda wave: wave + 0.05,
    "a large offset": lambda wave: wave - 0.5,
    "hum of 40 Hz": lambda wave: wave + tone(40, len(wave) / RATE, 0.1)[: len(wave)],
    "hum of 16.7 Hz": lambda wave: wave + tone(16.7, len(wave) / RATE, 0.3)[: len(wave)],
    "five clicks": lambda wave: clicks(wave, 5),
    "a beep behind": lambda wave: torch.cat([wave, tone(1000, 1, 0.9)]),
    "a beep as long": lambda wave: torch.cat([tone(440, len(wave) / RATE, 0.9), wave]),
    "a dialled number before": lambda wave: torch.cat([tone(941, 0.5, 0.45) + tone(1336, 0.5, 0.45), wave]),
    "a door": lambda wave: torch.cat([wave, 0.3 * noise(RATE // 4)]),
    "ten seconds of silence": lambda wave: around(wave, torch.zeros(10 * RATE)),
    "a minute of a quiet room": lambda wave: around(wave, 1e-4 * noise(60 * RATE)),
    "itself again": lambda wave: torch.cat([wave, wave]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("window_ms", "hop_ms"), [(16.0, 8.0), (64.0, 16.0)])
def test_what_is_not_speech_does_not_move_the_level(change: str, window_ms: float, hop_ms: float) -> None:
    moved = []
    for seed, seconds in enumerate((2.5, 4.0, 6.0)):
        wave = talk(seconds, seed=seed)
        before = level_db(wave, window_ms=window_ms, hop_ms=hop_ms)
        moved.append(abs(level_db(CHANGES[change](wave), window_ms=window_ms, hop_ms=hop_ms) - before))
    assert max(moved) < 1.5, moved


def test_the_rule_of_everything_is_moved_by_them() -> None:
    """What the test above can fail on."""
    wave = talk(4.0)
    before = level_db(wave, levels="whole")
    assert level_db(torch.cat([wave, tone(1000, 1, 0.9)]), levels="whole") > before + 10
    assert level_db(around(wave, torch.zeros(10 * RATE)), levels="whole") < before - 4


def test_ten_minutes_of_a_quiet_room_around_five_seconds() -> None:
    wave = talk(5.0)
    assert level_db(around(wave, 3e-5 * noise(600 * RATE))) == pytest.approx(level_db(wave), abs=1.0)


@given(gain_db=st.floats(-120, 60), seed=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_the_level_follows_the_gain(gain_db: float, seed: int) -> None:
    wave = talk(2.0, seed=seed)
    assert level_db(10 ** (gain_db / 20) * wave) == pytest.approx(level_db(wave) + gain_db, abs=1e-3)


def test_a_file_of_nothing_but_a_tone_has_the_level_of_the_tone() -> None:
    assert level_db(tone(700, 3, 0.2)) == pytest.approx(level_db(tone(700, 3, 0.02)) + 20, abs=0.01)
    assert level_db(tone(700, 3, 0.2)) == pytest.approx(level_db(tone(700, 3, 0.2), levels="whole"), abs=0.5)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_samples", [1, 100, 3000])
def test_normalised_spectra_have_the_level_that_is_promised(rule: Rule, n_samples: int) -> None:
    frontend = Frontend(FrontendConfig())
    spectrum = frontend.stft.analyse(0.01 * noise(n_samples))
    peak = spectrum / meter(rule, "peak").add(spectrum).level
    assert float(peak.abs().max()) == pytest.approx(1, rel=1e-5)
    assert meter(rule, "none").add(spectrum).level == 1
    rms = float((spectrum / meter(rule).add(spectrum).level).abs().square().mean())
    if rule == "whole":
        assert rms == pytest.approx(1, rel=1e-5)
    elif n_samples == 3000:
        # The median of the powers of frames is not their mean, which half-empty frames at the ends pull down.
        assert rms == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_silence_and_nothing_have_level_one(rule: Rule, normalisation: Normalisation) -> None:
    one = meter(rule, normalisation)
    assert one.level == 1
    assert one.add(torch.zeros((0, 129), dtype=torch.complex64)).level == 1
    assert one.add(torch.zeros((4, 129), dtype=torch.complex64)).level == 1
    assert one.add(torch.zeros((400, 129), dtype=torch.complex64)).level == 1


@given(
    cuts=st.lists(st.integers(0, 400), max_size=6),
    n_frames=st.integers(1, 400),
    rule=st.sampled_from(RULES),
    normalisation=st.sampled_from(NORMALISATIONS),
)
@settings(max_examples=80, deadline=None)
def test_level_does_not_depend_on_the_blocks(
    cuts: list[int], n_frames: int, rule: Rule, normalisation: Normalisation
) -> None:
    spectrum = torch.randn((n_frames, 9), generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    one = meter(rule, normalisation)
    for start, stop in itertools.pairwise([0, *sorted(min(cut, n_frames) for cut in cuts), n_frames]):
        one.add(spectrum[start:stop])
    assert one.level == pytest.approx(meter(rule, normalisation).add(spectrum).level, rel=1e-6)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("n_samples", [200, 3000, 40000])
def test_levels_of_a_batch_are_those_of_the_meter(rule: Rule, normalisation: Normalisation, n_samples: int) -> None:
    frontend = Frontend(FrontendConfig(normalisation=normalisation, levels=rule))
    waves = noise(3, n_samples) * torch.tensor([[1.0], [1e-3], [0.0]])
    spectra = frontend.stft.analyse(waves)
    levels = frontend.levels(spectra)
    assert levels.shape == (3, 1, 1)
    assert levels.flatten().tolist() == pytest.approx([frontend.meter().add(one).level for one in spectra], rel=1e-5)
    assert frontend.levels(spectra[:, :0]).flatten().tolist() == [1.0, 1.0, 1.0]

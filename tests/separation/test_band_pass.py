"""The band-pass: its measured response is the one that was asked for; no delay; blocks equal the whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sepvae.errors import ConfigError
from sepvae.separation.band_pass import BandPassConfig, BandPassed, BandPassStream, band_pass, design, settling_samples

RATE = 16000
CONFIGS = [
    BandPassConfig(family="chebyshev1", order=4, low_hz=300, high_hz=3400, ripple_db=0.5),
    BandPassConfig(family="chebyshev2", order=6, low_hz=80, high_hz=7600, attenuation_db=40),
    BandPassConfig(family="chebyshev2", order=8, low_hz=300, high_hz=3400, attenuation_db=60),
]
every_filter = pytest.mark.parametrize("config", CONFIGS)


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def response_db(config: BandPassConfig) -> tuple[Any, Any]:
    """Return frequencies and the response in dB, measured with an impulse in the middle of silence."""
    impulse = np.zeros(1 << 16, np.float32)
    impulse[1 << 15] = 1
    spectrum = np.abs(np.fft.rfft(band_pass(impulse, config, sample_rate=RATE).astype(np.float64)))
    return np.fft.rfftfreq(1 << 16, 1 / RATE), 20 * np.log10(spectrum + 1e-12)


@every_filter
@pytest.mark.parametrize("zero_phase", [True, False])
def test_the_measured_response_is_what_was_asked_for(config: BandPassConfig, zero_phase: bool) -> None:
    config = config.model_copy(update={"zero_phase": zero_phase})
    frequencies, found = response_db(config)
    passes = 2 if zero_phase else 1
    inside = (frequencies > config.low_hz) & (frequencies < config.high_hz)
    assert found.max() < 0.01
    if config.family == "chebyshev1":
        # All of the ripple that was asked for, and no more, however often the filter runs.
        assert found[inside].min() == pytest.approx(-config.ripple_db, abs=0.01)
        far = (frequencies < config.low_hz / 3) | (frequencies > min(config.high_hz * 2, 7900))
        assert found[far].max() < -20 * passes
    else:
        # float32 samples end at −120 dB or so.
        assert found[~inside].max() < max(-passes * config.attenuation_db, -105) + 0.1
        middle = (frequencies > 2 * config.low_hz) & (frequencies < 0.6 * config.high_hz)
        assert found[middle].min() > -1.0 * passes


@pytest.mark.parametrize(("frequency", "passes"), [(40.0, False), (1000.0, True), (5000.0, False)])
def test_sines_inside_pass_and_outside_do_not(frequency: float, passes: bool) -> None:
    sine = np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE).astype(np.float32)
    filtered = band_pass(sine, CONFIGS[2], sample_rate=RATE)[RATE // 4 : -RATE // 4]
    if passes:
        # Zero phase: the very sine, not a shifted one.
        np.testing.assert_allclose(filtered, sine[RATE // 4 : -RATE // 4], atol=0.02)
    else:
        assert np.abs(filtered).max() < 1e-3


@every_filter
def test_the_zero_phase_form_is_symmetric_in_time(config: BandPassConfig) -> None:
    wave = np.pad(noise(4000), 8000)
    forwards = band_pass(wave, config, sample_rate=RATE)
    backwards = band_pass(wave[::-1].copy(), config, sample_rate=RATE)[::-1]
    np.testing.assert_allclose(forwards, backwards, atol=1e-5)


@every_filter
def test_it_is_linear(config: BandPassConfig) -> None:
    one, two = noise(2, 3000), noise(2, 3000, seed=1)
    whole = band_pass(2 * one - 3 * two, config, sample_rate=RATE)
    parts = 2 * band_pass(one, config, sample_rate=RATE) - 3 * band_pass(two, config, sample_rate=RATE)
    np.testing.assert_allclose(whole, parts, atol=2e-5)


@given(cuts=st.lists(st.integers(0, 2000), max_size=5), seed=st.integers(0, 5))
def test_blocks_give_what_the_whole_gives(cuts: list[int], seed: int) -> None:
    config = CONFIGS[0].model_copy(update={"zero_phase": False})
    wave = noise(2, 2000, seed=seed)
    stream = BandPassStream(config, sample_rate=RATE, n_channels=2)
    edges = [0, *sorted(cuts), 2000]
    blocks = [stream(wave[:, start:stop]) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), band_pass(wave, config, sample_rate=RATE))


@pytest.mark.parametrize("n_samples", [0, 1, 2, 5, 100])
def test_short_signals_are_filtered_too(n_samples: int) -> None:
    filtered = band_pass(noise(2, n_samples), CONFIGS[1], sample_rate=RATE)
    assert filtered.shape == (2, n_samples)
    assert filtered.dtype == np.float32
    assert np.isfinite(filtered).all()


@every_filter
def test_a_sample_reaches_no_further_than_is_said(config: BandPassConfig) -> None:
    impulse = np.zeros(60_000, np.float32)
    impulse[0] = 1
    heard = np.abs(band_pass(impulse, config.model_copy(update={"zero_phase": False}), sample_rate=RATE))
    settling = settling_samples(config, sample_rate=RATE)
    assert settling < 50_000
    assert heard[settling:].max() < 1e-5 * heard.max()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"low_hz": 400, "high_hz": 300}, "band-pass from 400 to 300 Hz: give low_hz < high_hz"),
        ({"low_hz": 300, "high_hz": 300}, "band-pass from 300 to 300 Hz: give low_hz < high_hz"),
        ({"high_hz": 8000}, "band-pass to 8000 Hz at a sample rate of 16000 Hz: give high_hz below 8000 Hz"),
        # Too near to instability for the start of a signal to be made up (a singular matrix), or for blocks to wait.
        ({"low_hz": 1e-6}, "of order 6: it rings for more than 60 s: raise low_hz, widen the band, or lower the order"),
        ({"low_hz": 1000, "high_hz": 1000.01, "order": 20}, "band-pass from 1000 to 1000.01 Hz of order 20: it rings"),
    ],
)
def test_impossible_edges_are_named(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        design(BandPassConfig(**settings), sample_rate=RATE)


def test_a_stream_cannot_look_ahead() -> None:
    with pytest.raises(ConfigError, match="zero-phase band-pass needs the whole signal: set zero_phase = false"):
        BandPassStream(BandPassConfig(), sample_rate=RATE, n_channels=1)


class Split:
    """Stands for a separator: the signal and its negative, in blocks of a given length."""

    device, sources, sample_rate = torch.device("cpu"), ("plain", "turned"), RATE

    def __init__(self, block: int) -> None:
        self.block = block

    def stream(self, read: Any, *, n_samples: int, name: str = "") -> Iterator[dict[str, Any]]:
        for start in range(0, n_samples, self.block):
            wave = read(start, min(start + self.block, n_samples))
            yield {"plain": wave, "turned": -wave}


@every_filter
@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize(("block", "n_samples"), [(700, 9000), (5000, 12001), (20_000, 9000), (300, 0)])
def test_a_filtered_separator_gives_what_the_whole_gives(
    config: BandPassConfig, zero_phase: bool, block: int, n_samples: int
) -> None:
    config = config.model_copy(update={"zero_phase": zero_phase})
    wave = noise(2, n_samples)
    filtered = BandPassed(Split(block), config)
    assert filtered.sources == ("plain", "turned")
    blocks = list(filtered.stream(lambda start, stop: wave[:, start:stop], n_samples=n_samples))
    for name, sign in (("plain", 1), ("turned", -1)):
        found = np.concatenate([np.zeros((2, 0), np.float32), *(part[name] for part in blocks)], axis=1)
        np.testing.assert_allclose(found, sign * band_pass(wave, config, sample_rate=RATE), atol=1e-4)

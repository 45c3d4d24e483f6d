"""Talkers are kept in one order by their voices, and nothing of the mixture is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sepvae.separation.voice_order import VoiceOrder, VoiceOrders

RATE = 16000
Floats = NDArray[np.float32]


def _split(wave: Floats, length: int) -> list[Floats]:
    return [wave[start : start + length] for start in range(0, len(wave), length)]


def voice(pitch: float, tilt: float, seconds: float, seed: int) -> Floats:
    """Return a buzz of a pitch, a tilt and resonances that move as those of speech do, in syllables."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros_like(times)
    moves, beats = np.arange(0, seconds + 1, 0.5), np.arange(0, seconds + 1, 0.125)
    bend = pitch * (1 + 0.08 * np.interp(times, moves, rng.normal(size=len(moves))))
    phase = 2 * np.pi * np.cumsum(bend) / RATE
    # Resonances that are the voice's own, and that every syllable moves.
    own = np.random.default_rng(round(100 * pitch))
    centres = own.uniform([300, 900, 1800, 3000], [800, 1700, 2800, 3900])
    moved = 1 + 0.05 * np.stack([np.interp(times, beats, rng.normal(size=len(beats))) for _ in centres])
    for number in range(1, int(4000 / pitch)):
        places = (number * bend - centres[:, None] * moved) / 300
        wave += number**-tilt * np.exp(-0.5 * places**2).sum(0) * np.sin(number * phase + number)
    # Breath, without which the valleys between the harmonics are deeper than in any speech.
    wave += 0.1 * wave.std() * rng.normal(size=len(wave))
    syllables = np.interp(times, beats, rng.uniform(0, 1, len(beats)))
    return (0.05 * wave * np.maximum(0, syllables - 0.35)).astype(np.float32)


def exchanged(one: Floats, other: Floats, seed: int, *, leak: float = 0.2) -> tuple[Floats, Floats]:
    """Return two estimates with a part of each other that change places every few seconds."""
    first, second = (1 - leak) * one + leak * other, (1 - leak) * other + leak * one
    rng, swapped, place, now = np.random.default_rng(seed), np.zeros(len(one), bool), 0, False
    while place < len(one):
        length = int(rng.uniform(3, 9) * RATE)
        swapped[place : place + length] = now
        place, now = place + length, not now
    return np.where(swapped, second, first), np.where(swapped, first, second)


def ordered(
    estimates: tuple[Floats, Floats], *, block_s: float, order: VoiceOrder | None = None
) -> tuple[Floats, Floats]:
    order = order or VoiceOrder(("a", "b"), sample_rate=RATE)
    blocks = [
        order(dict(zip("ab", parts, strict=True)))
        for parts in zip(*(_split(wave, round(block_s * RATE)) for wave in estimates), strict=True)
    ]
    return np.concatenate([block["a"] for block in blocks]), np.concatenate([block["b"] for block in blocks])


def right(found: Floats, one: Floats, other: Floats) -> float:
    """Return the share of half seconds in which an estimate is more like one than like the other."""
    parts = [wave[: len(wave) // 8000 * 8000].reshape(-1, 8000) for wave in (found, one, other)]
    closer = np.square(parts[0] - parts[1]).sum(1) < np.square(parts[0] - parts[2]).sum(1)
    return float(closer.mean())


@pytest.mark.parametrize("block_s", [5.0, 20.0])
@pytest.mark.parametrize("pitches", [(110.0, 210.0), (120.0, 190.0)])
def test_talkers_who_change_places_are_put_back(pitches: tuple[float, float], block_s: float) -> None:
    one, other = (voice(pitch, tilt, 60, seed) for pitch, tilt, seed in zip(pitches, (1.0, 1.4), (0, 1), strict=True))
    first, second = exchanged(one, other, 2)
    before = right(first, one, other)
    found = ordered((first, second), block_s=block_s)
    share = right(found[0], one, other)
    assert 0.3 < before < 0.7
    # A change within half a second spoils that one, and there are ten of them in 120.
    assert max(share, 1 - share) > 0.88


def test_the_beginning_stays_as_it_is() -> None:
    one, other = voice(110, 1.0, 12, 0), voice(220, 1.4, 12, 1)
    found = ordered((one, other), block_s=20)
    np.testing.assert_array_equal(found[0], one)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), block_s=st.sampled_from([0.1, 0.7, 3.0]), n_samples=st.integers(1, 60_000))
def test_nothing_is_lost_or_added(seed: int, block_s: float, n_samples: int) -> None:
    waves = np.random.default_rng(seed).standard_normal((2, n_samples)).astype(np.float32)
    waves[:, n_samples // 3 : n_samples // 2] = 0
    found = ordered((waves[0], waves[1]), block_s=block_s)
    assert found[0].shape == (n_samples,)
    np.testing.assert_allclose(found[0] + found[1], waves.sum(0), atol=1e-5, rtol=1e-5)


def test_silence_is_silence() -> None:
    zero = np.zeros(40_000, np.float32)
    assert not np.stack(ordered((zero, zero), block_s=1.0)).any()


def test_a_change_does_not_click() -> None:
    """Where two constants change places, each step from sample to sample is a small part of their difference."""
    order = VoiceOrder(("a", "b"), sample_rate=RATE)
    order._started, order._last = True, 1
    found = order({"a": np.ones(100, np.float32), "b": np.zeros(100, np.float32)})
    assert float(found["a"].max()) == 0
    made = order._ordered({"a": np.ones(9000, np.float32), "b": np.zeros(9000, np.float32)}, [0], 1)
    steps = np.abs(np.diff(made["a"]))
    assert made["a"][0] < 0.02
    assert float(made["a"][-1]) == pytest.approx(1)
    assert float(steps.max()) < 0.02


def test_channels_of_one_recording_agree() -> None:
    """A second channel in which the talkers begin the other way round gets the names of the first."""
    one, other = voice(110, 1.0, 30, 0), voice(210, 1.4, 30, 1)
    order = VoiceOrders(("a", "b"), sample_rate=RATE)
    found = order(
        {"a": np.stack([one, other]), "b": np.stack([other, one]), "rest": np.zeros((2, len(one)), np.float32)}
    )
    assert right(found["a"][0], one, other) > 0.95
    assert right(found["a"][1], one, other) > 0.95
    assert found["rest"].shape == found["a"].shape


def test_one_who_speaks_alone_keeps_one_output() -> None:
    """Two centres explain one voice better than one: that is no reason to take it apart."""
    one = voice(120, 1.0, 60, 0)
    found = ordered((0.98 * one, 0.02 * one), block_s=20)
    assert np.square(found[0]).sum() > 0.9 * np.square(one).sum()


def test_channels_agree_where_the_first_is_silent() -> None:
    one, other = voice(110, 1.0, 30, 0), voice(210, 1.4, 30, 1)
    order, silent = VoiceOrders(("a", "b"), sample_rate=RATE), np.zeros(len(one), np.float32)
    found = order({"a": np.stack([silent, one, other]), "b": np.stack([silent, other, one])})
    assert right(found["a"][1], one, other) > 0.95
    assert right(found["a"][2], one, other) > 0.95

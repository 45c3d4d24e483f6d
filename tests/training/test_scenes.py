"""Scenes: what is heard of made mixtures, and what is to be learnt of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.seeds import generator
from sepvae.training.scenes import Heard, SceneConfig, Scenes, early_part

RATE, LENGTH = 16000, 8000
ROOMS = {"n_microphones": 1, "rt60_s": (0.2, 0.3)}


def make(folder: Path, **settings: Any) -> Scenes:
    config = parse_config(SceneConfig, {"n_rooms": 2, **settings}, where="test")
    return Scenes(config, n_sources=2, sample_rate=RATE, seed=0, cache=folder / "rooms")


def item(seed: int = 0) -> NDArray[np.float32]:
    """Return two sources and a noise that is 40 dB below them."""
    waves = np.random.default_rng(seed).standard_normal((3, LENGTH)).astype(np.float32)
    waves[2] *= 0.01
    return waves


def heard(scenes: Scenes, waves: NDArray[np.float32], step: int = 0) -> Heard:
    return scenes.hear(waves, generator(0, "test", step))


def test_without_settings_a_mixture_is_the_sum(tmp_path: Path) -> None:
    waves = item()
    found = heard(make(tmp_path), waves)
    np.testing.assert_array_equal(found.targets, waves[:2])
    np.testing.assert_allclose(found.mixture, waves.sum(0), rtol=1e-6)
    assert not (tmp_path / "rooms").exists()


def test_a_room_is_heard_whole_and_learnt_early(tmp_path: Path) -> None:
    """What a mixture has beyond its targets is the late reverberation of both, of lower level than what is early."""
    scenes, waves = make(tmp_path, rooms=ROOMS, room_share=1.0), item()
    waves[2] = 0
    # A click of each source: what follows it is the response of the room.
    waves[:2] = 0
    waves[0, 100] = 1
    found = heard(scenes, waves)
    early_until = np.abs(found.targets[0]).argmax() + round(0.05 * RATE)
    assert not found.targets[1].any()
    np.testing.assert_allclose(found.mixture[: early_until + 1], found.targets[0, : early_until + 1], atol=1e-6)
    late = found.mixture - found.targets.sum(0)
    assert np.abs(found.targets[0, early_until + 1 :]).max() < 1e-6
    assert 0 < np.square(late).sum() < np.square(found.targets[0]).sum()
    # The level of what is to be learnt is that of what was said.
    np.testing.assert_allclose(np.square(found.targets[0]).sum(), 1, rtol=1e-3)


def test_rooms_follow_from_the_seed_and_are_simulated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = make(tmp_path, rooms=ROOMS, room_share=1.0)
    first = heard(scenes, item())
    again = heard(make(tmp_path / "other", rooms=ROOMS, room_share=1.0), item())
    np.testing.assert_array_equal(first.mixture, again.mixture)
    monkeypatch.setattr("sepvae.training.scenes.impulse_responses", None)
    np.testing.assert_array_equal(heard(make(tmp_path, rooms=ROOMS, room_share=1.0), item()).mixture, first.mixture)
    with pytest.raises(TypeError):
        make(tmp_path, rooms={**ROOMS, "rt60_s": 0.25}, room_share=1.0)


def test_shares_are_of_the_mixtures(tmp_path: Path) -> None:
    scenes, waves = make(tmp_path, rooms=ROOMS, room_share=0.3), item()
    dry = [np.array_equal(heard(scenes, waves, step).targets, waves[:2]) for step in range(200)]
    assert 0.6 < np.mean(dry) < 0.8


def test_pauses_are_silent_and_fade(tmp_path: Path) -> None:
    scenes, waves = make(tmp_path, pauses=1.0), np.ones((3, LENGTH), np.float32)
    waves[2] = 0
    seen = 0
    for step in range(20):
        found = heard(scenes, waves, step)
        np.testing.assert_allclose(found.mixture, found.targets.sum(0), atol=1e-6)
        assert found.targets.min() >= 0 and found.targets.max() <= 1
        assert np.abs(np.diff(found.targets, axis=1)).max() < 0.02
        for wave in found.targets:
            # Between its fades a pause is silent: nothing of it is left to be made loud.
            quiet = np.flatnonzero(wave < 1e-3)
            assert not wave[quiet].any()
            assert len(quiet) == 0 or quiet[-1] - quiet[0] + 1 == len(quiet)
            seen += len(quiet) > 0
    assert seen > 30


def test_a_band_is_that_of_mixture_and_targets(tmp_path: Path) -> None:
    scenes = make(tmp_path, band_share=1.0, low_hz=(300, 300), high_hz=(3400, 3400))
    found = heard(scenes, item())
    np.testing.assert_allclose(found.mixture, found.targets.sum(0), atol=0.1)
    power = np.abs(np.fft.rfft(found.mixture)) ** 2
    hz = np.fft.rfftfreq(LENGTH, 1 / RATE)
    assert power[hz > 5000].mean() < 1e-2 * power[(hz > 500) & (hz < 3000)].mean()
    assert power[hz < 100].mean() < 1e-2 * power[(hz > 500) & (hz < 3000)].mean()


def test_what_is_early_is_counted_from_the_direct_path() -> None:
    responses = np.zeros((2, 20), np.float32)
    responses[0, [3, 7, 9]] = 1, 0.5, 0.4
    responses[1, [5, 8, 11]] = -1, 0.5, 0.4
    found = early_part(responses, n_early=4)
    assert np.flatnonzero(found[0]).tolist() == [3, 7] and np.flatnonzero(found[1]).tolist() == [5, 8]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rooms": {"n_microphones": 2}}, "give simulated ones with n_microphones = 1"),
        ({"low_hz": (300, 100)}, "in this order"),
        (
            {"band_share": 0.5, "high_hz": (3000, 8000)},
            "scene.high_hz = 8000: give less than half",
        ),
        ({"rooms": {"n_microphones": 1, "size_m": [5, 4, 3], "rt60_s": 1.0}}, "image sources"),
    ],
)
def test_what_cannot_be_heard_is_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(tmp_path, **settings)


def test_of_some_mixtures_one_source_is_heard_alone(tmp_path: Path) -> None:
    scenes, waves = make(tmp_path, alone=0.5), item()
    found = [heard(scenes, waves, step) for step in range(100)]
    heard_of = [tuple(target.any(-1)) for target in (one.targets for one in found)]
    assert {(True, False), (False, True), (True, True)} == {*heard_of}
    assert 30 < sum(one != (True, True) for one in heard_of) < 70
    for one in found:
        np.testing.assert_allclose(one.mixture, one.targets.sum(0) + waves[2], atol=1e-6)


def test_a_colour_changes_the_spectrum_and_not_the_level(tmp_path: Path) -> None:
    """What is learnt of a source is heard through the same filter as the mixture, so they still add up."""
    waves, scenes = item(), make(tmp_path, colours=1.0)
    found = heard(scenes, waves)
    assert not np.allclose(found.targets, waves[:2], atol=0.1)
    np.testing.assert_allclose(np.linalg.norm(found.targets, axis=1), np.linalg.norm(waves[:2], axis=1), rtol=1e-5)
    noise = found.mixture - found.targets.sum(0)
    np.testing.assert_allclose(np.linalg.norm(noise), np.linalg.norm(waves[2]), rtol=1e-3)
    # Two poles and two zeros, none near the circle: a tilt of a few dB, and no resonance.
    gain = np.abs(np.fft.rfft(found.targets[0])) / np.abs(np.fft.rfft(waves[0]))
    assert 1 < np.ptp(20 * np.log10(np.quantile(gain, [0.02, 0.98]))) < 40


def test_half_of_the_sources_are_coloured(tmp_path: Path) -> None:
    scenes, waves = make(tmp_path, colours=0.5), item()
    changed = [not np.array_equal(heard(scenes, waves, step).targets[0], waves[0]) for step in range(200)]
    assert 70 < sum(changed) < 130
    waves[0] = 0
    assert not heard(scenes, waves).targets[0].any()

"""Noise that is made anew: of the recordings there are, at the level there was, and of nobody who is to be heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.seeds import generator
from sepvae.training.noises import NoiseRemix, NoiseRemixConfig

LENGTH, NOISY, OTHERS = 4000, [3, 5], [1, 2, 4]


class Drawn:
    """Notes what is drawn, and gives noise of its own for each number."""

    def __init__(self) -> None:
        self.calls = list[tuple[int, float, float]]()

    def __call__(self, number: int, place: float, speed: float) -> NDArray[np.float32]:
        self.calls.append((number, place, speed))
        return np.random.default_rng(number).standard_normal(LENGTH).astype(np.float32)


def made(step: int, **settings: Any) -> tuple[NDArray[np.float32], Drawn, Drawn]:
    noise, speech = Drawn(), Drawn()
    config = parse_config(NoiseRemixConfig, settings, where="test")
    return NoiseRemix(config, NOISY, noise=noise, speech=speech).make(OTHERS, generator(0, step)), noise, speech


@pytest.mark.parametrize("settings", [{}, {"second": 1}, {"babble": 1}, {"second": 1, "babble": 1, "speed": 0.2}])
def test_its_level_stays(settings: dict[str, Any]) -> None:
    """Of noises that have nothing to do with one another, whatever their number."""
    for step in range(20):
        found, noise, speech = made(step, **settings)
        heard_twice = len({number for number, *_ in noise.calls}) < len(noise.calls)
        repeated = len({number for number, *_ in speech.calls}) < len(speech.calls)
        if not heard_twice and not repeated:
            assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1, abs=0.1)


def test_what_it_is_made_of() -> None:
    for step in range(20):
        _, noise, speech = made(step, second=1, babble=1, speed=0.2, talkers=(2, 4))
        assert len(noise.calls) == 2
        assert 2 <= len(speech.calls) <= 4
        assert {number for number, *_ in noise.calls} <= set(NOISY)
        assert {number for number, *_ in speech.calls} <= set(OTHERS)
        assert all(abs(speed) <= 0.2 for *_, speed in noise.calls + speech.calls)
    _, noise, speech = made(0, babble=0, second=0)
    assert (len(noise.calls), len(speech.calls), noise.calls[0][2]) == (1, 0, 0)


def test_shares_are_of_mixtures() -> None:
    counts = [made(step, second=0.5, babble=0.25) for step in range(400)]
    assert np.mean([len(noise.calls) == 2 for _, noise, _ in counts]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([len(speech.calls) > 0 for *_, speech in counts]) == pytest.approx(0.25, abs=0.08)


def test_where_nobody_else_speaks_nobody_babbles() -> None:
    noise, speech = Drawn(), Drawn()
    NoiseRemix(NoiseRemixConfig(babble=1.0), NOISY, noise=noise, speech=speech).make([], generator(0))
    assert not speech.calls


@pytest.mark.parametrize("talkers", [(0, 3), (4, 3), (1, 21)])
def test_talkers_that_are_none(talkers: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="talkers"):
        parse_config(NoiseRemixConfig, {"talkers": talkers}, where="test")

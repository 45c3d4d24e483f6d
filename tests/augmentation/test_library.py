"""Transforms of audiomentations: replayed by their seed, the process's own generators left alone, labels kept."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae.augmentation import TRANSFORMS
from sepvae.augmentation.contract import DrawContext
from sepvae.augmentation.library import Audiomentations, AudiomentationsConfig, Transform
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError

RATE = 16000
UTTERANCE = Utterance("a_1", "a/1.wav", "a", "female", None, RATE, 16000)


def build(*transforms: dict[str, Any]) -> Audiomentations:
    pytest.importorskip("audiomentations", minversion="0.40", reason="audiomentations is not installed")
    settings = {"transforms": transforms} if transforms else {}
    config = parse_config(AudiomentationsConfig, settings, where="audiomentations")
    return Audiomentations(config, model=None, root=Path(), device="cpu")


def speech() -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.1 * np.random.default_rng(0).standard_normal((1, 16000))).astype(np.float32)


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name not in ("AddBackgroundNoise", "AddShortNoises")])
def test_every_transform_replays_and_keeps_the_length(name: str) -> None:
    augmentation, wave = build({"kind": name}), speech()
    parameters = {**augmentation.draw(DrawContext(UTTERANCE, np.random.default_rng(0), [])), "seed": 7}
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    first = augmentation.apply(wave, RATE, parameters)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    random.seed(4)
    assert np.array_equal(first, build({"kind": "Gain"}).apply(wave, RATE, parameters)), "a record replays by itself"
    assert first.shape == wave.shape
    assert first.dtype == np.float32
    assert np.array_equal(wave, speech())


def test_the_drawn_seed_decides() -> None:
    augmentation, wave = build(), speech()
    drawn = [augmentation.draw(DrawContext(UTTERANCE, np.random.default_rng(seed), [])) for seed in (1, 1, 2)]
    made = [augmentation.apply(wave, RATE, parameters) for parameters in drawn]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert [transform["kind"] for transform in drawn[0]["transforms"]] == ["AddGaussianSNR", "BandPassFilter", "Gain"]
    stereo = augmentation.apply(np.repeat(wave, 2, axis=0), RATE, drawn[0])
    assert stereo.shape == (2, 16000)


def test_transforms_that_move_speech_and_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown transform that keeps words and phones in place 'Reverse'"):
        parse_config(AudiomentationsConfig, {"transforms": [{"kind": "Reverse"}]}, where="audiomentations")
    with pytest.raises(ConfigError, match=r"transforms: Gain: .*correct its settings"):
        build({"kind": "Gain", "settings": {"decibels": 3}})
    with pytest.raises(ConfigError, match=r"AddBackgroundNoise: no sounds in nope: correct its settings"):
        build({"kind": "AddBackgroundNoise", "settings": {"sounds_path": "nope"}})
    assert Transform(kind="Gain").settings == {}

"""The latent augmentations as a corpus run uses them: parameters are drawn, frozen, and replayed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmentation.contract import DrawContext, augmentation_class
from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.seeds import generator

from ..speech_models import RATE, Speech

LATENT = [name for name, entry in AUGMENTATIONS.items() if "latent_methods" in entry]
every_method = pytest.mark.parametrize("name", LATENT)


def make(name: str, model: Path, speech: Speech, **settings: Any) -> Any:
    method = augmentation_class(name)
    return method(parse_config(method.Config, settings, where=name), model=model, root=speech.root, device="cpu")


def draw_of(speech: Speech, number: int = 0, *, seed: int = 0) -> DrawContext:
    return DrawContext(speech.utterances[number], generator(seed, "augment", number), speech.utterances)


@every_method
def test_a_frozen_draw_replays_bit_equal(name: str, model: Path, speech: Speech) -> None:
    method = make(name, model, speech)
    parameters = method.draw(draw_of(speech))
    assert parameters == method.draw(draw_of(speech))
    frozen = json.loads(json.dumps(parameters))
    assert frozen == parameters
    wave = speech.wave(0)
    made = method.apply(wave, RATE, parameters)
    again = make(name, model, speech).apply(wave.copy(), RATE, frozen)
    assert made.shape == wave.shape
    assert made.dtype == np.float32
    assert np.array_equal(made, again)
    assert np.abs(made - wave).max() > 1e-3
    assert method.time_scale(parameters) == 1.0


@every_method
def test_features_without_a_wave(name: str, model: Path, speech: Speech) -> None:
    method = make(name, model, speech)
    features = method.features(speech.wave(0), RATE, method.draw(draw_of(speech)))
    assert features.shape[1] == 12
    assert features.dtype == np.float32


@every_method
def test_it_needs_a_model(name: str, speech: Speech) -> None:
    method = augmentation_class(name)
    assert method.needs_model
    with pytest.raises(ConfigError, match=f"augmentation {name} needs a model of speech segments: give --model DIR"):
        method(method.Config(), model=None, root=speech.root, device="cpu")


def test_reconstruction_by_a_filter_is_the_utterance(model: Path, speech: Speech) -> None:
    method = make("reconstruct", model, speech, synthesis="filter")
    made = method.apply(speech.wave(2), RATE, method.draw(draw_of(speech, 2)))
    assert np.abs(made - speech.wave(2)).max() < 1e-6


@pytest.mark.parametrize("name", ["soft", "hard", "uniform", "reversed"])
def test_no_strength_gives_the_utterance_back(name: str, model: Path, speech: Speech) -> None:
    method = make(name, model, speech, gamma=0.0)
    made = method.apply(speech.wave(2), RATE, method.draw(draw_of(speech, 2)))
    assert np.abs(made - speech.wave(2)).max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "speakers"),
    [
        ({}, {"bea", "carl", "dan"}),
        ({"among": "all"}, {"ann", "bea", "carl", "dan"}),
        ({"speaker": "bea"}, {"bea"}),
        ({"speaker": "ann", "among": "all"}, {"ann"}),
        ({"sex": "male"}, {"carl", "dan"}),
        ({"sex": "other"}, {"carl", "dan"}),
        ({"sex": "same"}, {"bea"}),
        ({"sex": "same", "among": "all"}, {"ann", "bea"}),
    ],
)
@pytest.mark.parametrize("name", ["replace", "interpolate"])
def test_who_may_be_the_target(
    name: str, model: Path, speech: Speech, settings: dict[str, Any], speakers: set[str]
) -> None:
    method = make(name, model, speech, **settings)
    drawn = [method.draw(draw_of(speech, 0, seed=seed))["target"] for seed in range(60)]
    assert {target["speaker"] for target in drawn} == speakers
    assert "ann-0" not in {target["id"] for target in drawn}, "an utterance is no target of itself"


def test_every_utterance_is_a_target_as_often(model: Path, speech: Speech) -> None:
    method = make("replace", model, speech)
    drawn = [method.draw(draw_of(speech, 0, seed=seed))["target"]["id"] for seed in range(1800)]
    counts = np.array([drawn.count(name) for name in sorted(set(drawn))])
    assert len(counts) == 18
    assert ((counts - 100) ** 2 / 100).sum() < 40.8  # chi-square, 17 degrees of freedom, p = 0.001


def test_a_recording_as_target(model: Path, speech: Speech) -> None:
    by_file = make("replace", model, speech, file="dan/1.wav")
    parameters = by_file.draw(draw_of(speech))
    assert parameters["target"] == {"id": "dan-1", "path": "dan/1.wav", "speaker": "dan", "sex": "male"}
    known = {**parameters, "target": {"id": "dan-1"}, "target_from": "basis"}
    wave = speech.wave(0)
    assert np.array_equal(by_file.apply(wave, RATE, parameters), by_file.apply(wave, RATE, known))


def test_a_share_of_the_way_is_drawn(model: Path, speech: Speech) -> None:
    method = make("interpolate", model, speech, share=(0.2, 0.4))
    shares = [method.draw(draw_of(speech, seed=seed))["share"] for seed in range(50)]
    assert 0.2 <= min(shares) < 0.25 < 0.35 < max(shares) <= 0.4
    parameters = method.draw(draw_of(speech))
    whole = make("replace", model, speech)
    wave = speech.wave(0)
    assert np.array_equal(
        method.apply(wave, RATE, {**parameters, "share": 1.0}), whole.apply(wave, RATE, parameters | {"share": 1.0})
    )


def test_a_share_is_a_range_within_the_way(model: Path, speech: Speech) -> None:
    assert make("interpolate", model, speech, share=0.5).draw(draw_of(speech))["share"] == 0.5
    with pytest.raises(ConfigError, match=r"interpolate: share: the range 0.75 to 0.25 is upside down"):
        make("interpolate", model, speech, share=[0.75, 0.25])
    for share in ([-3, 0.5], [0.5, 9], 1.5):
        with pytest.raises(ConfigError, match=r"interpolate: share(\.\d)?(:| =) "):
            make("interpolate", model, speech, share=share)


def test_a_recording_from_elsewhere_as_target(model: Path, speech: Speech, tmp_path: Path) -> None:
    path = tmp_path / "new.wav"
    path.write_bytes((speech.root / "dan/1.wav").read_bytes())
    parameters = make("replace", model, speech, file=str(path)).draw(draw_of(speech))
    assert parameters["target"] == {"id": "new", "path": str(path), "speaker": "unknown", "sex": "unknown"}


def test_more_directions_than_there_are_are_refused(model: Path, speech: Speech) -> None:
    assert make("hard", model, speech).draw(draw_of(speech))["directions"] == 8
    with pytest.raises(ConfigError, match=r"hard.directions 9: the nuisance basis has 8: give as many or fewer"):
        make("hard", model, speech, directions=9)


def test_targets_that_are_not_there_are_named(model: Path, speech: Speech) -> None:
    with pytest.raises(ConfigError, match=r"replace.speaker eve: the nuisance basis knows ann, bea, carl, dan: choose"):
        make("replace", model, speech, speaker="eve")
    with pytest.raises(
        InputError, match=r"ann-0: none of the 24 utterances .* \(.*speaker=dan, sex=same\): ask for less, or fit"
    ):
        make("replace", model, speech, speaker="dan", sex="same").draw(draw_of(speech))
    with pytest.raises(InputError, match=r"no such file|cannot be read|not an audio"):
        make("replace", model, speech, file="nobody.wav")
    with pytest.raises(ConfigError, match="augmentation replace: file is the target, leave out speaker and sex"):
        make("replace", model, speech, file="dan/1.wav", sex="male")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speaker": "ann"}, r"ann-0: replace.speaker ann is its own speaker: set replace.among=all to take other"),
        ({"file": "ann/0.wav"}, r"ann-0: is replace.file itself, which would change nothing"),
        ({"sex": "same"}, r"ann-0: its sex is unknown, replace.sex=same compares with it: choose female or male"),
        ({"sex": "other"}, r"ann-0: its sex is unknown, replace.sex=other compares with it"),
    ],
)
def test_utterances_that_the_settings_do_not_fit_say_why(
    model: Path, speech: Speech, settings: dict[str, Any], message: str
) -> None:
    own = replace(speech.utterances[0], sex="unknown")
    with pytest.raises(InputError, match=message):
        make("replace", model, speech, **settings).draw(DrawContext(own, generator(0, "augment"), speech.utterances))


def test_a_torn_recording_is_no_target(model: Path, speech: Speech, tmp_path: Path) -> None:
    audio.write(tmp_path / "whole.wav", 3 * speech.wave(19), sample_rate=RATE, subtype="pcm16")
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "torn.wav").write_bytes(data[:5000] + data[5001:] + b"\0")
    with pytest.raises(InputError, match=r"target .*torn.wav is noise from where a byte was lost on"):
        make("replace", model, speech, file=tmp_path / "torn.wav")

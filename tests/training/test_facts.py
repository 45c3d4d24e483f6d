"""What settings follow from the mixtures: the classes of a conditional model, filled in by whatever trains it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.single_source import speech_mixtures
from sepvae.training.config import TrainingConfig
from sepvae.training.facts import with_facts
from sepvae.training.loop import Trainer, TrainingData


@pytest.fixture(scope="module")
def config(voice_settings: dict[str, Any]) -> Callable[..., TrainingConfig]:
    def make(**changes: Any) -> TrainingConfig:
        return parse_config(TrainingConfig, {**voice_settings, **changes}, where="test")

    return make


@pytest.fixture(scope="module")
def speech(humming: TrainingData) -> list[Mixture]:
    return speech_mixtures(humming.train, humming.root)


def spoken_by(mixture: Mixture, speaker: str) -> Mixture:
    source = mixture.sources[0].model_copy(update={"speaker": speaker})
    return mixture.model_copy(update={"sources": (source,)})


def with_classes(settings: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    return {"kind": "conditional_vae", "settings": {**settings["model"]["settings"], "classes": classes}}


def test_classes_are_the_speakers_of_training(config: Any, speech: list[Mixture]) -> None:
    plain = config()
    found, valid = with_facts(plain, speech, speech[:3])
    assert found.model.settings["classes"] == ["hiss", "hum"]
    assert valid == speech[:3]
    # Nothing else is changed, and not what was given.
    assert found.model_copy(update={"model": plain.model}) == plain
    assert plain.model.settings["classes"] in ([], ())
    assert with_facts(plain, speech[::-1], [])[0] == found


def test_classes_that_are_given_stay(config: Any, voice_settings: dict[str, Any], speech: list[Mixture]) -> None:
    given = config(model=with_classes(voice_settings, ["zoe", "hum", "hiss"]))
    stranger = spoken_by(speech[0], "ann")
    assert with_facts(given, speech, [stranger]) == (given, [stranger])


def test_speakers_without_training_are_not_validated_on(
    config: Any, speech: list[Mixture], caplog: pytest.LogCaptureFixture
) -> None:
    stranger = spoken_by(speech[0], "ann")
    found, valid = with_facts(config(), speech, [stranger, *speech[:2], stranger])
    assert found.model.settings["classes"] == ["hiss", "hum"]
    assert valid == speech[:2]
    assert "2 of 4 mixtures are not validated on: their speakers have none to train on" in caplog.text


def test_other_models_are_left_alone(humming: TrainingData) -> None:
    plain = TrainingConfig()
    assert with_facts(plain, humming.train, humming.valid) == (plain, list(humming.valid))


def test_what_cannot_be_told_apart_is_refused(config: Any, humming: TrainingData, speech: list[Mixture]) -> None:
    with pytest.raises(
        ConfigError, match=r"have the sources hum, hiss: make some of one by 'sepvae mix .*sources=\[sp"
    ):
        with_facts(config(), humming.train, [])
    with pytest.raises(InputError, match="some of the mixtures do not say who speaks"):
        with_facts(config(), [*speech, spoken_by(speech[0], "")], [])
    with pytest.raises(InputError, match="no mixtures to learn from"):
        with_facts(config(), [], [])
    with pytest.raises(ConfigError, match=r"frontend.target.kind is magnitude: set it to power"):
        with_facts(config(frontend={}), speech, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"objective": "elbo"},
            "elbo does not train model conditional_vae: conditional_vae learns by condition",
        ),
        (
            {"objective": "wave_sdr"},
            "_vae learns by conditional_elbo, wave_sdr trains dense_vae, .*: set both",
        ),
        ({"model": "dense_vae"}, "dense_vae learns by elbo or .*, conditional_elbo trains conditional_vae: set both"),
        ({"model": "fhvae"}, "fhvae learns by hierarchical_elbo, conditional_elbo trains conditional_vae: set both"),
        ({"objective": "hierarchical_elbo"}, "hierarchical_elbo trains fhvae: set both, as the presets do"),
    ],
)
def test_model_and_objective_go_together(config: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(**changes)


def test_training_fills_them_in(
    config: Any, humming: TrainingData, speech: list[Mixture], voice_model: Path, tmp_path: Path
) -> None:
    data = TrainingData(speech, [spoken_by(speech[0], "ann")], humming.root)
    trainer = Trainer(config(), data, tmp_path, seed=0, device="cpu")
    (network,) = trainer.estimator.networks.values()
    assert network.config.classes == ("hiss", "hum")
    assert trainer.estimator.config.model.settings["classes"] == ["hiss", "hum"]
    assert list(trainer.data.valid) == []
    # A run that was finished is not begun again.
    before = (voice_model / "log.csv").read_bytes()
    valid = speech_mixtures(humming.valid, humming.root)
    again = Trainer(config(), TrainingData(speech, valid, humming.root), voice_model, seed=0, device="cpu")
    assert again.run().finished
    assert (voice_model / "log.csv").read_bytes() == before

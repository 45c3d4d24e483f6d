"""What holds for every augmentation: an entry of the table is tested without another line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sepvae.augmentation import AUGMENTATIONS, SYNTHESES
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmentation.classical import Gain
from sepvae.augmentation.contract import Augmentation, DrawContext, Target, augmentation_class
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError, MissingExtra
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint

# Builds the augmentation with some settings.
Make = Callable[..., Augmentation]
RATE = 16000
# An identity may take the way through a spectrum and back.
TOLERANCE = 1e-5
POOL = [
    Utterance(f"{speaker}-{number}", f"{speaker}/{number}.wav", speaker, sex, None, RATE, RATE)  # type: ignore[arg-type]
    for speaker, sex in (("anna", "female"), ("ben", "male"), ("carla", "female"))
    for number in range(3)
]


def speech(n_samples: int = 12000, n_channels: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    envelope = 0.2 + np.abs(np.sin(np.arange(n_samples) / 2000))
    return (0.1 * envelope * rng.standard_normal((n_channels, n_samples))).astype(np.float32)


def drawn(augmentation: Augmentation, seed: int = 0) -> dict[str, Any]:
    return augmentation.draw(DrawContext(POOL[0], np.random.default_rng(seed), POOL))


def has_valid_defaults_and_says_what_it_is(make: Make) -> None:
    made = make()
    kind = type(made)
    assert kind.Config.model_config["extra"] == "forbid"
    assert kind.__doc__, "its first line is what 'sepvae augment methods' shows"
    stored = json.loads(json.dumps(kind.Config().model_dump(mode="json")))
    assert kind.Config.model_validate(stored) == kind.Config() == made.config
    kind.Config.model_json_schema()


def draws_json_that_depends_on_its_stream_alone(make: Make) -> None:
    first = make()
    for seed in range(3):
        parameters = drawn(first, seed)
        assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        assert drawn(make(), seed) == parameters, "another process draws the same"
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def replays_a_frozen_draw_bit_for_bit(make: Make) -> None:
    augmentation, wave = make(), speech()
    parameters, kept = drawn(augmentation, 3), wave.copy()
    first = augmentation.apply(wave, RATE, parameters)
    augmentation.apply(speech(9000), RATE, drawn(augmentation, 4))
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    frozen = json.loads(json.dumps(parameters))
    assert np.array_equal(first, augmentation.apply(wave, RATE, frozen))
    assert np.array_equal(first, make().apply(wave, RATE, frozen))
    assert np.array_equal(wave, kept), "the input is left as it was"


def keeps_type_and_channels_and_the_promised_duration(make: Make) -> None:
    augmentation = make()
    for seed, n_channels in enumerate((1, 2, 3)):
        wave, parameters = speech(n_channels=n_channels), drawn(augmentation, seed)
        made = augmentation.apply(wave, RATE, parameters)
        assert made.dtype == np.float32
        assert made.shape[0] == n_channels
        assert abs(made.shape[1] - wave.shape[1] * augmentation.time_scale(parameters)) <= 1
        assert np.isfinite(made).all()


def makes_samples_or_an_input_error_of_silence_and_short_waves(make: Make) -> None:
    augmentation = make()
    parameters = drawn(augmentation)
    for wave in (np.zeros((1, 12000), np.float32), *(speech(n_samples) for n_samples in (1, 2, 30, 400, 3201))):
        try:
            made = augmentation.apply(wave, RATE, parameters)
        except InputError as error:
            assert str(error)
        else:
            assert np.isfinite(made).all()
            assert made.dtype == np.float32


def is_the_identity_with_the_settings_that_say_so(make: Make) -> None:
    if (settings := make().identity) is None:
        pytest.skip("has no settings under which nothing changes")
    augmentation, wave = make(**settings), speech(n_channels=2)
    made = augmentation.apply(wave, RATE, drawn(augmentation))
    np.testing.assert_allclose(made, wave, atol=TOLERANCE)


def decodes_finite_features_whose_frames_are_placed(make: Make) -> None:
    augmentation: Any = make()
    if not hasattr(augmentation, "features"):
        pytest.skip("decodes nothing")
    wave, parameters = speech(), drawn(augmentation)
    features = augmentation.features(wave, RATE, parameters)
    assert features.dtype == np.float32
    assert features.ndim == 2
    assert np.isfinite(features).all()
    assert abs(len(features) * augmentation.hop_samples() - wave.shape[1]) < RATE / 10
    assert abs(augmentation.first_frame_centre()) < RATE / 10
    assert np.array_equal(features, make().features(wave, RATE, json.loads(json.dumps(parameters))))


CHECKS = (
    has_valid_defaults_and_says_what_it_is,
    draws_json_that_depends_on_its_stream_alone,
    replays_a_frozen_draw_bit_for_bit,
    keeps_type_and_channels_and_the_promised_duration,
    makes_samples_or_an_input_error_of_silence_and_short_waves,
    is_the_identity_with_the_settings_that_say_so,
    decodes_finite_features_whose_frames_are_placed,
)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of segments with random weights, and a basis of random vectors."""
    training = preset("segment_conv")
    training["model"]["settings"] = {"channels": 2, "hidden": 8, "latent": 8}
    folder = tmp_path_factory.mktemp("untrained")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder, fresh_checkpoint(TrainingConfig.model_validate(training), ("speech",)), provenance={})
    vectors = np.random.default_rng(0).standard_normal((len(POOL), 8)).astype(np.float32)
    NuisanceBasis.fit(vectors, [Target(one.id, one.path, one.speaker, one.sex) for one in POOL]).save(folder)
    return folder


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_augmentation(check: Callable[[Make], None], name: str, untrained: Path) -> None:
    kind = augmentation_class(name)
    assert kind.name == name

    def make(**settings: Any) -> Augmentation:
        config = parse_config(kind.Config, settings, where=name)
        return kind(config, model=untrained if kind.needs_model else None, root=untrained)

    try:
        check(make)
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", SYNTHESES)
def test_every_synthesis_resolves(name: str) -> None:
    assert callable(SYNTHESES.resolve(name))


def global_random(self: Gain, context: DrawContext) -> dict[str, Any]:
    return {"gain_db": float(np.random.uniform())}  # noqa: NPY002


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (draws_json_that_depends_on_its_stream_alone, {"draw": global_random}),
        (draws_json_that_depends_on_its_stream_alone, {"draw": lambda self, context: {"gain_db": np.float32(1)}}),
        (replays_a_frozen_draw_bit_for_bit, {"apply": lambda self, wave, rate, _: np.multiply(wave, 2, out=wave)}),
        (keeps_type_and_channels_and_the_promised_duration, {"apply": lambda self, wave, rate, _: wave[:, 5:]}),
        (keeps_type_and_channels_and_the_promised_duration, {"apply": lambda self, wave, rate, _: 2.0 * wave[:1]}),
        (makes_samples_or_an_input_error_of_silence_and_short_waves, {"apply": lambda self, wave, *_: wave / wave}),
        (is_the_identity_with_the_settings_that_say_so, {"identity": {"gain_db": 0.1}}),
    ],
)
def test_the_suite_sees_what_is_wrong(check: Callable[[Make], None], broken: dict[str, Any]) -> None:
    kind = type("Broken", (Gain,), broken)
    with pytest.raises((AssertionError, TypeError)), np.errstate(invalid="ignore"):
        check(lambda **settings: kind(parse_config(kind.Config, settings, where="broken")))

"""What every augmentation keeps: draws that can be stored and replayed, and samples that are what it says of them."""

from __future__ import annotations

import functools
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sepvae.audio import Wave
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmentation.contract import Augmentation, DrawContext, Target, augmentation_class
from sepvae.config import parse_config
from sepvae.corpora.records import Sex, Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.settings import preset
from sepvae.testing.contract import Settings, expect, only, raises
from sepvae.training.config import TrainingConfig, fresh_checkpoint

RATE = 16000
# An identity may take the way through a spectrum and back.
TOLERANCE = 1e-5
SPEAKERS: dict[str, Sex] = {"anna": "female", "ben": "male", "carla": "female"}
POOL = [
    Utterance(f"{speaker}-{number}", f"{speaker}/{number}.wav", speaker, sex, None, RATE, RATE)
    for speaker, sex in SPEAKERS.items()
    for number in range(3)
]


def speech(n_samples: int = 12000, n_channels: int = 1) -> Wave:
    """Return noise that comes and goes, (channels, time)."""
    envelope = 0.2 + np.abs(np.sin(np.arange(n_samples) / 2000))
    noise = np.random.default_rng(0).standard_normal((n_channels, n_samples))
    wave: Wave = (0.1 * envelope * noise).astype(np.float32)
    return wave


@functools.cache
def _untrained() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of a small model of segments with random weights, and a basis of random vectors."""
    training = preset("segment_conv")
    training["model"]["settings"] = {"channels": 2, "hidden": 8, "latent": 8}
    kept = tempfile.TemporaryDirectory(prefix="sepvae-")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = fresh_checkpoint(TrainingConfig.model_validate(training), ("speech",))
    save_checkpoint(Path(kept.name), models, provenance={})
    vectors = np.random.default_rng(0).standard_normal((len(POOL), 8)).astype(np.float32)
    NuisanceBasis.fit(vectors, [Target(one.id, one.path, one.speaker, one.sex) for one in POOL]).save(Path(kept.name))
    return kept


def make(name: str, settings: Settings) -> Augmentation:
    """Return an augmentation with some settings, and with an untrained model when it needs one."""
    kind = augmentation_class(name)
    config = parse_config(kind.Config, settings, where=name)
    if not kind.needs_model:
        return kind(config)
    folder = Path(_untrained().name)
    return kind(config, model=folder, root=folder)


def drawn(augmentation: Augmentation, seed: int = 0) -> dict[str, Any]:
    """Return the parameters that are drawn for the first utterance of a pool of three speakers."""
    return augmentation.draw(DrawContext(POOL[0], np.random.default_rng(seed), POOL))


def _through_json(parameters: Any) -> Any:
    return json.loads(json.dumps(parameters, allow_nan=False))


def _generators() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002


def check_valid_defaults_and_what_it_says_of_itself(name: str, settings: Settings) -> None:
    """It is called by its name in the table, has a line of help, and settings that are strict and survive JSON."""
    made = make(name, settings)
    kind = type(made)
    expect(kind.name == name, f"it calls itself {kind.name!r}")
    expect(bool(kind.__doc__), "no docstring, whose first line is what 'sepvae augment methods' shows")
    defaults = kind.Config()
    stored = kind.Config.model_validate(_through_json(made.config.model_dump(mode="json")))
    expect(stored == made.config, f"{made.config} is {stored} behind JSON")
    expect(bool(settings) or defaults == made.config, f"it changes its settings {defaults} to {made.config}")
    kind.Config.model_json_schema()
    with raises(ConfigError, "unknown key 'mistaken'"):
        make(name, {**settings, "mistaken": 1})


def check_draws_are_json_and_depend_on_their_stream_alone(name: str, settings: Settings) -> None:
    """What is drawn can be stored, is the same in another process, and leaves the global generators alone."""
    first = make(name, settings)
    for seed in range(3):
        parameters = drawn(first, seed)
        stored = _through_json(parameters)
        expect(stored == parameters, f"{parameters} is {stored} behind JSON")
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = _generators()
        again = drawn(make(name, settings), seed)
        expect(again == parameters, f"from the same stream first {parameters}, then {again}")
        expect(_generators() == before, "it draws from a global generator: take the stream of the context")


def check_a_frozen_draw_replays_bit_for_bit(name: str, settings: Settings) -> None:
    """The same parameters make the same samples, whatever was made before, and the input stays what it is."""
    augmentation, wave = make(name, settings), speech()
    parameters, kept = drawn(augmentation, 3), wave.copy()
    first = augmentation.apply(wave, RATE, parameters)
    augmentation.apply(speech(9000), RATE, drawn(augmentation, 4))
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    frozen = _through_json(parameters)
    expect(np.array_equal(first, augmentation.apply(wave, RATE, frozen)), f"{parameters} make other samples again")
    expect(np.array_equal(first, make(name, settings).apply(wave, RATE, frozen)), "a new one makes other samples")
    expect(np.array_equal(wave, kept), "it changes the samples that it is given")


def check_type_channels_and_duration(name: str, settings: Settings) -> None:
    """It makes finite float32 samples of as many channels, as long as `time_scale` says."""
    augmentation = make(name, settings)
    for seed, n_channels in enumerate((1, 2, 3)):
        wave, parameters = speech(n_channels=n_channels), drawn(augmentation, seed)
        made = augmentation.apply(wave, RATE, parameters)
        expect(made.dtype == np.float32, f"samples are {made.dtype}")
        expected = wave.shape[1] * augmentation.time_scale(parameters)
        fits = made.shape[0] == n_channels and abs(made.shape[1] - expected) <= 1
        expect(fits, f"{wave.shape} becomes {made.shape}, expected {n_channels} channels of {expected:g} samples")
        expect(bool(np.isfinite(made).all()), "samples are not finite")


def check_silence_and_short_waves(name: str, settings: Settings) -> None:
    """Silence and waves of a few samples become finite samples, or an InputError that says something."""
    augmentation = make(name, settings)
    parameters = drawn(augmentation)
    for wave in (np.zeros((1, 12000), np.float32), *(speech(n_samples) for n_samples in (1, 2, 30, 400, 3201))):
        try:
            made = augmentation.apply(wave, RATE, parameters)
        except InputError as error:
            expect(bool(str(error)), "an error without a word")
        else:
            expect(bool(np.isfinite(made).all()), f"{wave.shape[1]} samples at most {wave.max():g} become {made}")
            expect(made.dtype == np.float32, f"{wave.shape[1]} samples become {made.dtype}")


@only(lambda kind: kind.identity is not None, "has no settings under which nothing changes")
def check_the_identity(name: str, settings: Settings) -> None:
    """With the settings of `identity` samples stay what they are."""
    identity = augmentation_class(name).identity or {}
    augmentation, wave = make(name, {**settings, **identity}), speech(n_channels=2)
    made = augmentation.apply(wave, RATE, drawn(augmentation))
    np.testing.assert_allclose(made, wave, atol=TOLERANCE)


@only(lambda kind: hasattr(kind, "features"), "decodes no features")
def check_features_are_finite_and_their_frames_placed(name: str, settings: Settings) -> None:
    """What decodes features as well gives finite float32 ones, says where their frames lie, and repeats them."""
    augmentation: Any = make(name, settings)
    wave, parameters = speech(), drawn(augmentation)
    features = augmentation.features(wave, RATE, parameters)
    expect(features.dtype == np.float32 and features.ndim == 2, f"features {features.dtype} of shape {features.shape}")
    expect(bool(np.isfinite(features).all()), "features are not finite")
    covered, centre = len(features) * augmentation.hop_samples(), augmentation.first_frame_centre()
    expect(abs(covered - wave.shape[1]) < RATE / 10, f"its frames cover {covered} of {wave.shape[1]} samples")
    expect(abs(centre) < RATE / 10, f"the first frame lies at {centre}")
    again = make(name, settings)
    repeated = again.features(wave, RATE, _through_json(parameters))  # type: ignore[attr-defined]
    expect(np.array_equal(features, repeated), f"{parameters} make other features again")

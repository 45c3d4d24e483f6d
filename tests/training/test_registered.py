"""Objectives and networks of somebody's own train like ours, whatever their names: the classes say what they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sepvae import plugins, testing
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.mixing.single_source import speech_mixtures
from sepvae.models import MODELS
from sepvae.objectives import OBJECTIVES
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

from ..contracts.small import settings_of
from ..fresh_tables import fresh_tables as fresh_tables
from ..own_voices import OwnVoices

pytestmark = pytest.mark.usefixtures("fresh_tables")

RATE = 8000
MEL = {"kind": "log_mel", "n_mels": 8}
POWER = {"kind": "power"}
SEGMENTS = {"input": MEL, "target": MEL}
# One network of each kind, with an objective that is for it.
PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense_vae": ("elbo", {}),
    "generator": ("adversarial", {}),
    "temporal_vae": ("wave_sdr", {}),
    "mask_vae": ("wave_sdr", {}),
    "conv_tasnet": ("wave_sdr", {}),
    "segment_conv": ("elbo", SEGMENTS),
    "fhvae": ("hierarchical_elbo", SEGMENTS),
    "conditional_vae": ("conditional_elbo", {"input": POWER, "target": POWER}),
}
# Settings that the training fills in.
FILLED_IN = ("classes", "sequences")


def derived(entry: type) -> Any:
    """Return a class of somebody's own that is like one of ours."""
    return type(f"My{entry.__name__}", (entry,), {"__module__": __name__})


def settings(model: str, **changes: Any) -> dict[str, Any]:
    objective, features = PAIRS[model]
    own = {key: value for key, value in settings_of("model", model)[0].items() if key not in FILLED_IN}
    if model == "generator":
        own |= {"encoder": "dense", "critic": 4}
    frontend = {"sample_rate": RATE, "stft": {"window_ms": 32, "hop_ms": 8}, **features}
    optimiser = {"epochs": 1, "batch_size": 2, "segment_frames": own.get("segment_frames", 1)}
    return {
        "model": {"kind": model, "settings": own},
        "objective": objective,
        "frontend": frontend,
        "optimiser": {"learning_rate": 1e-3, **optimiser},
        "waves": {"segment_s": 0.2, "steps_per_epoch": 2},
        **changes,
    }


def data_for(model: str, humming: TrainingData) -> TrainingData:
    """Return mixtures, or of networks of speech their sources."""
    if model in ("segment_conv", "fhvae", "conditional_vae"):
        splits = (speech_mixtures(split, humming.root)[:3] for split in (humming.train, humming.valid))
        return TrainingData(*splits, humming.root)
    return TrainingData(humming.train[:2], humming.valid[:1], humming.root)


@pytest.mark.parametrize("model", PAIRS)
def test_a_kind_under_another_name_trains_to_the_same(model: str, humming: TrainingData, tmp_path: Path) -> None:
    plugins.register("model", "my_model", derived(MODELS.resolve(model)))
    plugins.register("objective", "my_objective", derived(OBJECTIVES.resolve(PAIRS[model][0])))
    ours = settings(model)
    theirs = {**ours, "model": {**ours["model"], "kind": "my_model"}, "objective": "my_objective"}
    found = []
    for number, one in enumerate((ours, theirs, {**theirs, "objective": ours["objective"]})):
        config, data = parse_config(TrainingConfig, one, where="test"), data_for(model, humming)
        found.append(train(config, data, tmp_path / str(number), seed=0, device="cpu"))
    first, *others = found
    for other in others:
        assert other.config.estimator.model.settings == first.config.estimator.model.settings
        weights = other.estimator.networks.state_dict()
        assert all(torch.equal(weights[name], weight) for name, weight in first.estimator.networks.state_dict().items())


@pytest.fixture
def make() -> Callable[..., TrainingConfig]:
    return lambda model, **changes: parse_config(TrainingConfig, settings(model, **changes), where="test")


def accepted(make: Callable[..., TrainingConfig], objective: str) -> set[str]:
    """Return the models that an objective trains."""
    found = set()
    for model in PAIRS:
        with contextlib.suppress(ConfigError):
            found.add(make(model, objective=objective).model.kind)
    return found


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_under_another_name_is_for_the_same_networks(
    objective: str, make: Callable[..., TrainingConfig]
) -> None:
    plugins.register("objective", "my_objective", derived(OBJECTIVES.resolve(objective)))
    assert accepted(make, "my_objective") == accepted(make, objective)


def test_what_an_objective_of_ones_own_compares_is_checked(make: Callable[..., TrainingConfig]) -> None:
    plugins.register("objective", "my_classes", derived(OBJECTIVES.resolve("weak_class")))
    assert make("dense_vae", objective="my_classes").objective.kind == "my_classes"
    other = {"sample_rate": RATE, "target": POWER}
    with pytest.raises(ConfigError, match="objective my_classes compares outputs with inputs, which add up"):
        make("dense_vae", objective="my_classes", frontend=other)


def test_a_class_of_another_base_is_refused(make: Callable[..., TrainingConfig]) -> None:
    class Plain:
        Config = OBJECTIVES.resolve("elbo").Config

    plugins.register("objective", "plain", Plain)
    with pytest.raises(ConfigError, match="objective plain: its class is none of an objective: derive it from Obj"):
        make("dense_vae", objective="plain")


def test_a_conditional_network_of_ones_own_is_told_who_speaks(humming: TrainingData, tmp_path: Path) -> None:
    plugins.register("model", "own_voices", OwnVoices)
    testing.run("model", "own_voices", {"classes": ["ann", "ben"]})
    own = {**settings("conditional_vae"), "model": "own_voices"}
    data = data_for("conditional_vae", humming)
    found = train(parse_config(TrainingConfig, own, where="test"), data, tmp_path, device="cpu")
    assert found.estimator.speakers == tuple(sorted({mixture.sources[0].speaker for mixture in data.train}))

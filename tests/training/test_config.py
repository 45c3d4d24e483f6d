"""Training configs: every default written out, every mistake named with its path."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.files import to_json
from sepvae.models.dense import DenseVaeConfig
from sepvae.objectives.elbo import ElboConfig
from sepvae.training.config import TrainingConfig


def parse(data: Any) -> TrainingConfig:
    return parse_config(TrainingConfig, data, where="vae.yaml")


def test_defaults_are_the_surveys_network_as_a_vae() -> None:
    config = parse({})
    assert config.model.config() == DenseVaeConfig()
    assert config.objective.config() == ElboConfig()
    assert (config.frontend.sample_rate, config.frontend.stft.window_ms, config.frontend.stft.hop_ms) == (16000, 16, 8)
    assert config.mask == "ratio"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"model": {"settings": {"hidden": [8, 4], "latent": 3}}, "objective": {"settings": {"beta": 4}}},
        {"frontend": {"sample_rate": 8000, "normalisation": "peak", "input": {"kind": "log_mel", "n_mels": 20}}},
        {"optimiser": {"epochs": 3, "precision": "bf16-mixed"}, "mask": "wiener"},
    ],
)
def test_config_survives_json_and_yaml(data: dict[str, Any]) -> None:
    config = parse(data)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config
    assert parse(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config
    assert to_json(parse(config.model_dump(mode="json")).model_dump(mode="json")) == to_json(
        config.model_dump(mode="json")
    )


def test_defaults_of_model_and_objective_are_written_out() -> None:
    dumped = parse({"model": {"settings": {"latent": 3}}}).model_dump(mode="json")
    assert dumped["model"]["settings"] == {**DenseVaeConfig().model_dump(mode="json"), "latent": 3}
    assert dumped["objective"]["settings"] == ElboConfig().model_dump(mode="json")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"optimizer": {}}, "vae.yaml: unknown key 'optimizer': did you mean 'optimiser'?"),
        ({"optimiser": {"epoch": 3}}, "vae.yaml: unknown key 'optimiser.epoch': did you mean 'epochs'?"),
        ({"frontend": {"stft": {"hop": 3}}}, "unknown key 'frontend.stft.hop': did you mean 'hop_ms'?"),
        ({"model": {"latent": 3}}, "unknown key 'model.latent': known keys are kind, settings"),
        ({"model": {"settings": {"latents": 3}}}, "model.settings: model dense_vae: unknown key 'latents': did"),
        ({"model": {"kind": "dense"}}, "unknown model 'dense': did you mean 'dense_vae'? choose one of dense_vae"),
        ({"objective": {"kind": "elb"}}, "unknown objective 'elb': did you mean 'elbo'?"),
        ({"objective": {"settings": {"beta": -1}}}, "objective elbo: beta = -1: give 0 or more"),
        ({"objective": {"settings": {"likelihood": "laplace"}}}, "unknown likelihood 'laplace': choose one of"),
        ({"optimiser": {"epochs": 0}}, "vae.yaml: optimiser.epochs = 0: give 1 or more"),
        ({"optimiser": {"epochs": "many"}}, "vae.yaml: optimiser.epochs = 'many': give a whole number"),
        ({"optimiser": {"learning_rate": float("nan")}}, "optimiser.learning_rate = nan"),
        ({"optimiser": {"precision": "16"}}, "optimiser.precision = '16'"),
        ({"mask": "direct"}, "frontend.target.kind = magnitude has no phase: set it to complex, or mask to ratio or"),
        ({"mask": "binary"}, "vae.yaml: mask: unknown mask 'binary': choose one of ratio, wiener"),
        ([1], "vae.yaml: (top level) = [1]"),
        (None, "vae.yaml: (top level) = None"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_path(data: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"frontend": {"target": {"kind": "log_mel"}}},
            "target.kind = log_mel: a model of mel features cannot",
        ),
        (
            {"objective": {"settings": {"likelihood": "itakura_saito"}}},
            "compares powers, frontend.target.kind is",
        ),
        (
            {"objective": {"settings": {"likelihood": "poisson"}}, "frontend": {"target": {"kind": "complex"}}},
            "likelihood poisson compares what has no sign, frontend.target.kind is complex: set it to magnitude",
        ),
        (
            {
                "model": {"kind": "segment_conv"},
                "objective": {"settings": {"likelihood": "poisson"}},
                "optimiser": {"segment_frames": 20},
                "frontend": {"target": {"kind": "log_mel"}},
            },
            "likelihood poisson compares what has no sign, frontend.target.kind is log_mel: set it to magnitude",
        ),
        (
            {"inference": {"kind": "generative", "likelihood": "bernoulli"}},
            "inference.likelihood: unknown likelihood 'bernoulli': choose one of poisson, itakura_saito",
        ),
        (
            {"objective": {"kind": "weak_class"}, "frontend": {"target": {"kind": "power"}}},
            "objective weak_class compares outputs with inputs, which add up, frontend.input.kind is magnitude",
        ),
        (
            {"model": {"kind": "temporal_vae"}, "frontend": {"input": {"kind": "log_power"}}},
            "frontend.input.kind = log_power: model temporal_vae takes roots of its input, which must not be negative: "
            "set frontend.input.kind to magnitude, or to one of power, mel",
        ),
        (
            {"model": {"kind": "conv_patch"}, "frontend": {"input": {"kind": "log_mel"}}},
            "frontend.input.kind = log_mel: model conv_patch takes roots",
        ),
        (
            {"model": {"kind": "conv_patch"}, "frontend": {"input": {"kind": "complex"}}},
            "frontend.input.kind = complex: model conv_patch takes roots",
        ),
        ({"objective": {"settings": {"likelihood": "bernoulli"}}}, "needs frontend.normalisation = peak, found rms"),
        (
            {"objective": {"settings": {"likelihood": "bernoulli"}}, "frontend": {"normalisation": "peak"}},
            "likelihood bernoulli needs model.settings.output = sigmoid, found softplus",
        ),
    ],
)
def test_what_would_train_to_no_use_is_refused(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["magnitude", "power", "mel"])
def test_networks_that_take_roots_have_what_is_not_negative(kind: str) -> None:
    for model, objective in (("temporal_vae", "wave_sdr"), ("conv_patch", "elbo")):
        config = parse({"model": model, "objective": objective, "frontend": {"input": {"kind": kind}}})
        assert config.frontend.input.kind == kind


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"optimiser": {"epochs": 0, "epoch": 3}, "mask": "no"})
    assert len(str(caught.value).splitlines()) == 3


def test_long_values_are_shortened_in_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"mask": "x" * 10**6})
    assert len(str(caught.value)) < 300


def test_configs_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse({}).mask = "wiener"

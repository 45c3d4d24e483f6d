"""One suite for every source model of the closed table: an entry is tested the moment it is listed.

A model that cannot pass with `SMALL` settings of its own adds a line here, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.estimator.checkpoint import load_checkpoint, save_checkpoint
from sepvae.frontend.frontend import FrontendConfig
from sepvae.models import MODELS
from sepvae.models.contract import ModelChoice, most_likely
from sepvae.models.network import ConditionalNetwork, SourceNetwork
from sepvae.training.config import TrainingConfig, fresh_checkpoint

N_INPUTS, N_OUTPUTS = 6, 4
# Blocks of a conditional VAE.
PARTS = ("encoder_blocks", "decoder_blocks", "inference_blocks")
# Tiny instances, one or more for each model: smooth activations, so that gradients can be checked by differences.
SMALL: dict[str, list[dict[str, Any]]] = {
    "dense_vae": [
        {"hidden": [7], "latent": 3, "activation": "tanh"},
        {"hidden": [7, 5], "latent": 3, "activation": "silu", "context_frames": 2, "learned_variance": True},
        {"hidden": [5], "latent": 2, "activation": "silu", "output": "sigmoid", "dropout": 0.5},
        {"hidden": [5], "latent": 2, "activation": "tanh", "deterministic": True},
    ],
    "conv_time_vae": [{"hidden": 4, "latent": 2, "encoder_blocks": 2, "decoder_blocks": 1}],
    "generator": [
        # Without an encoder the latent of any features is 0, and a weight of it has no gradient: see test_generator.
        {"hidden": 5, "encoder": "identity"},
        {"latent": 3, "hidden": 5, "encoder": "dense"},
    ],
    "complex_pair": [
        {"hidden": [5], "latent": 2},
        {"hidden": [4], "latent": 2, "learned_variance": True, "context_frames": 1},
    ],
    "complex_dense": [{"hidden": [4, 3], "latent": 2}],
    "conv_patch": [
        {"filters": [2, 3], "kernel_bins": 3},
        {"filters": [2], "kernel_frames": 1, "deterministic": False},
    ],
    "vrnn": [{"hidden": 4, "latent": 2, "warm_up_frames": 3}, {"hidden": 3, "latent": 2, "warm_up_frames": 0}],
    "temporal_vae": [{"hidden": 4, "latent": 2, "encoder_blocks": 2, "decoder_blocks": 1}],
    "conditional_vae": [
        # Of one class nothing can be inferred, and the weights that do it have no gradient.
        {"classes": ["a", "b", "c"], "hidden": 3, "latent": 1, **dict.fromkeys(PARTS, 1)},
        {
            "classes": ["a", "b"],
            "hidden": 2,
            "latent": 2,
            "dropout": 0.5,
            **dict.fromkeys(PARTS, 1),
            "decoder_blocks": 2,
        },
    ],
    "segment_conv": [{"segment_frames": 4, "channels": 2, "hidden": 5, "latent": 3}],
    "segment_lstm": [{"segment_frames": 4, "hidden": 3, "latent": 2}],
    "fhvae": [{"segment_frames": 4, "hidden": 3, "latent": 2, "sequence_latent": 2, "sequences": 3}],
    "conv_tasnet": [{"filters": 8, "filter_samples": 4, "bottleneck": 4, "hidden": 6, "blocks": 2, "repeats": 1}],
}
CASES = [
    pytest.param(kind, small, id=f"{kind}-{i}") for kind in MODELS for i, small in enumerate(SMALL.get(kind, [{}]))
]
# Networks of all sources together, and of segments, have other laws, and test files of their own.
SOURCE_CASES = [
    case for case in CASES if issubclass(MODELS.resolve(str(case.values[0])), (SourceNetwork, ConditionalNetwork))
]
any_model = pytest.mark.parametrize(("kind", "small"), CASES)
every_model = pytest.mark.parametrize(("kind", "small"), SOURCE_CASES)


def make(kind: str, small: dict[str, Any], dtype: torch.dtype = torch.float64) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # A conditional network gives the powers that it was given.
        n_outputs = N_INPUTS if issubclass(MODELS.resolve(kind), ConditionalNetwork) else N_OUTPUTS
        network: Any = ModelChoice.of(kind, small).build(n_inputs=N_INPUTS, n_outputs=n_outputs)
        if issubclass(MODELS.resolve(kind), ConditionalNetwork):
            # Its last layer starts at 0, behind which nothing would be seen.
            for weight in (network.to_log_power.weight, network.class_log_power.weight):
                torch.nn.init.normal_(weight, std=0.1)
    return network.to(dtype).eval()


def features(network: Any, batch: int, n_frames: int, *, seed: int = 0) -> torch.Tensor:
    shape = (batch, n_frames + 2 * network.context_frames, N_INPUTS)
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).abs()
    return values.to(next(network.parameters()).dtype)


def flat(network: Any, values: torch.Tensor) -> list[torch.Tensor]:
    """Return everything the network gives for some features."""
    if isinstance(network, ConditionalNetwork):
        inferred = network.infer(values)
        classes = inferred.log_classes.exp()
        posterior = network.encode(values, classes)
        return [*posterior, network.decode(posterior.mean, classes).spectrum, *inferred.posterior, inferred.log_classes]
    posterior = network.encode(values)
    return [part for part in (*posterior, *network.decode(posterior.mean)) if part is not None]


@every_model
@given(batch=st.integers(1, 3), n_frames=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_any_number_of_frames(kind: str, small: dict[str, Any], batch: int, n_frames: int) -> None:
    network = make(kind, small, torch.float32)
    told = [torch.full((batch, network.n_classes), 0.5)] if isinstance(network, ConditionalNetwork) else []
    posterior = network.encode(features(network, batch, n_frames), *told)
    decoded = network.decode(posterior.mean, *told)
    assert posterior.mean.shape[:2] == (batch, n_frames)
    assert decoded.spectrum.shape == (batch, n_frames, N_INPUTS if told else N_OUTPUTS)
    assert posterior.log_variance is None or posterior.log_variance.shape == posterior.mean.shape
    assert decoded.log_variance is None or decoded.log_variance.shape == decoded.spectrum.shape
    assert all(torch.isfinite(part).all() for part in flat(network, features(network, batch, n_frames)))


@every_model
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e6])
def test_silence_and_extreme_levels_stay_finite(kind: str, small: dict[str, Any], scale: float) -> None:
    network = make(kind, small, torch.float32)
    assert all(torch.isfinite(part).all() for part in flat(network, scale * features(network, 2, 5)))


@every_model
def test_networks_that_cannot_have_negative_features_say_so(kind: str, small: dict[str, Any]) -> None:
    if issubclass(MODELS.resolve(kind), ConditionalNetwork):
        return  # Its objective shows it powers, whatever the front-end gives.
    network = make(kind, small)
    finite = all(torch.isfinite(part).all() for part in flat(network, -features(network, 2, 5)))
    assert finite != MODELS.resolve(kind).takes_roots


@every_model
def test_a_batch_of_two_is_two_singles(kind: str, small: dict[str, Any]) -> None:
    network = make(kind, small)
    values = features(network, 2, 9)
    singles = [flat(network, values[index : index + 1]) for index in range(2)]
    for both, first, second in zip(flat(network, values), *singles, strict=True):
        torch.testing.assert_close(both, torch.cat([first, second]), atol=1e-12, rtol=1e-12)


@every_model
def test_evaluation_twice_is_bit_equal(kind: str, small: dict[str, Any]) -> None:
    network = make(kind, small, torch.float32)
    values = features(network, 2, 9)
    first = flat(network, values)
    flat(network, 5 * values)  # nothing of another input may stay behind
    assert all(torch.equal(one, two) for one, two in zip(first, flat(network, values), strict=True))


@every_model
def test_float32_agrees_with_float64(kind: str, small: dict[str, Any]) -> None:
    wide, narrow = make(kind, small), make(kind, small, torch.float32)
    narrow.load_state_dict({name: tensor.float() for name, tensor in wide.state_dict().items()})
    values = features(wide, 2, 9)
    for one, two in zip(flat(wide, values), flat(narrow, values.float()), strict=True):
        assert two.dtype == torch.float32
        torch.testing.assert_close(two.double(), one, atol=2e-5, rtol=2e-5)


@any_model
def test_config_survives_json_and_lists_its_defaults(kind: str, small: dict[str, Any]) -> None:
    config = ModelChoice.of(kind, small).config()
    assert type(config).model_validate_json(config.model_dump_json()) == config
    choice = ModelChoice(kind=kind, settings=small)
    assert ModelChoice.model_validate_json(choice.model_dump_json()) == choice
    assert choice.config() == config
    assert choice.settings == config.model_dump(mode="json")


@any_model
def test_saved_and_loaded_is_bit_equal(kind: str, small: dict[str, Any], tmp_path: Path) -> None:
    # Features that most networks can take: an even number of them.
    features = {"kind": "magnitude" if MODELS.resolve(kind).takes_roots else "complex"}
    frontend = FrontendConfig.model_validate({"sample_rate": 8000, "input": features, "target": features})
    of_segments = {
        "optimiser": {"segment_frames": small.get("segment_frames", 1)},
        "objective": {"kind": "hierarchical_elbo" if kind == "fhvae" else "elbo"},
    }
    choices = {"model": {"kind": kind, "settings": small}, "frontend": frontend, **of_segments}
    training = TrainingConfig.model_validate(choices)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        models = fresh_checkpoint(training, ("a", "b"))
    save_checkpoint(tmp_path / "model", models, provenance={})
    loaded = load_checkpoint(tmp_path / "model")
    assert loaded.config == models.config
    for name, tensor in models.estimator.networks.state_dict().items():
        assert torch.equal(tensor, loaded.estimator.networks.state_dict()[name]), name


@every_model
def test_gradients_are_right(kind: str, small: dict[str, Any]) -> None:
    network = make(kind, small)
    values = features(network, 1, 3).requires_grad_()

    def everything(*_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(flat(network, values))

    assert torch.autograd.gradcheck(everything, (values, *network.parameters()))


@every_model
def test_every_weight_takes_part(kind: str, small: dict[str, Any]) -> None:
    network = make(kind, small)
    values = features(network, 2, 9)
    # A learnt prior is part of a reconstruction, and of neither encoder nor decoder.
    prior = () if isinstance(network, ConditionalNetwork) else network.reconstruct(values, most_likely).prior or ()
    sum(part.square().sum() for part in (*flat(network, values), *prior)).backward()  # type: ignore[union-attr]
    silent = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []

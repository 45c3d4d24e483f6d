"""One suite for every model of segments of the closed table: an entry is tested the moment it is listed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.errors import CheckpointError, ConfigError
from sepvae.frontend.frontend import FrontendConfig
from sepvae.models import MODELS
from sepvae.models.contract import ModelChoice, most_likely
from sepvae.models.segment_network import SegmentNetwork
from sepvae.objectives.contract import ObjectiveChoice
from sepvae.separation.separator import Separator
from sepvae.training.config import OptimiserConfig, TrainingConfig, fresh_checkpoint

N_INPUTS, N_OUTPUTS, N_FRAMES = 5, 3, 4
SMALL: dict[str, dict[str, Any]] = {
    "segment_conv": {"channels": 2, "hidden": 5, "latent": 3},
    "segment_lstm": {"hidden": 3, "latent": 2},
    "fhvae": {"hidden": 3, "latent": 2, "sequence_latent": 2},
}
every_model = pytest.mark.parametrize(
    "kind", [kind for kind in MODELS if issubclass(MODELS.resolve(kind), SegmentNetwork)]
)


def make(kind: str, dtype: torch.dtype = torch.float64) -> Any:
    config = ModelChoice.of(kind, {"segment_frames": N_FRAMES, **SMALL.get(kind, {})})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: Any = config.build(n_inputs=N_INPUTS, n_outputs=N_OUTPUTS)
    return network.to(dtype).eval()


def features(network: Any, batch: int, *, n_features: int = N_INPUTS, seed: int = 0) -> torch.Tensor:
    values = torch.randn(
        batch, N_FRAMES, n_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return values.to(next(network.parameters()).dtype)


def flat(network: Any, values: torch.Tensor) -> list[torch.Tensor]:
    posterior = network.encode(values)
    return [*posterior, *network.decode(posterior.mean)]


@every_model
@given(batch=st.integers(1, 5))
@settings(max_examples=5, deadline=None)
def test_one_latent_for_each_segment(kind: str, batch: int) -> None:
    network = make(kind, torch.float32)
    mean, log_variance, spectrum, spread = flat(network, features(network, batch))
    assert mean.shape == log_variance.shape == (batch, 1, mean.shape[-1])
    assert spectrum.shape == spread.shape == (batch, N_FRAMES, N_OUTPUTS)
    assert 0 < mean[..., network.nuisance].shape[-1] <= mean.shape[-1]


@every_model
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e6])
def test_silence_and_extreme_levels_stay_finite(kind: str, scale: float) -> None:
    network = make(kind, torch.float32)
    network.standardise(scale * features(network, 3)[0], scale * features(network, 3, n_features=N_OUTPUTS)[0])
    assert all(torch.isfinite(part).all() for part in flat(network, scale * features(network, 2, seed=1)))


@every_model
def test_a_batch_of_two_is_two_singles(kind: str) -> None:
    network = make(kind)
    values = features(network, 2)
    singles = [flat(network, values[index : index + 1]) for index in range(2)]
    for both, first, second in zip(flat(network, values), *singles, strict=True):
        torch.testing.assert_close(both, torch.cat([first, second]), atol=1e-12, rtol=1e-12)


@every_model
def test_evaluation_twice_is_bit_equal(kind: str) -> None:
    network = make(kind, torch.float32)
    values = features(network, 2)
    first = flat(network, values)
    flat(network, 5 * values)
    assert all(torch.equal(one, two) for one, two in zip(first, flat(network, values), strict=True))


@every_model
def test_float32_agrees_with_float64(kind: str) -> None:
    wide, narrow = make(kind), make(kind, torch.float32)
    narrow.load_state_dict({name: tensor.float() for name, tensor in wide.state_dict().items()})
    values = features(wide, 2)
    for one, two in zip(flat(wide, values), flat(narrow, values.float()), strict=True):
        torch.testing.assert_close(two.double(), one, atol=2e-5, rtol=2e-5)


@every_model
def test_gradients_are_right(kind: str) -> None:
    network = make(kind)
    values = features(network, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *_: tuple(flat(network, values)), (values, *network.parameters()))


@every_model
def test_every_weight_takes_part(kind: str) -> None:
    network = make(kind)
    sum(part.square().sum() for part in flat(network, features(network, 3))).backward()  # type: ignore[union-attr]
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@every_model
def test_the_most_likely_reconstruction_is_the_code_decoded(kind: str) -> None:
    network = make(kind)
    values = features(network, 2)
    found = network.reconstruct(values, most_likely)
    expected = flat(network, values)
    for one, two in zip((*found.posterior, *found.decoded), expected, strict=True):
        assert torch.equal(one, two)
    assert torch.equal(found.latent, expected[0])


@every_model
def test_standardised_features_make_units_irrelevant(kind: str) -> None:
    """Features of other units, such as dB in place of nepers, give the same code, and the output in those units."""
    plain, scaled = make(kind), make(kind)
    frames, targets = features(plain, 20).flatten(0, 1), features(plain, 20, n_features=N_OUTPUTS, seed=1).flatten(0, 1)
    plain.standardise(frames, targets)
    scaled.standardise(8.7 * frames - 3, 8.7 * targets + 5)
    values = features(plain, 2, seed=2)
    mean, log_variance, spectrum, spread = flat(plain, values)
    other = flat(scaled, 8.7 * values - 3)
    torch.testing.assert_close(other[0], mean)
    torch.testing.assert_close(other[1], log_variance)
    torch.testing.assert_close(other[2], 8.7 * spectrum + 5)
    torch.testing.assert_close(other[3], spread + 2 * torch.tensor(8.7).double().log())


def training(kind: str, **changes: Any) -> TrainingConfig:
    choice = ModelChoice(kind=kind, settings={"segment_frames": N_FRAMES, **SMALL.get(kind, {})})
    objective = ObjectiveChoice(kind="hierarchical_elbo" if kind == "fhvae" else "elbo")
    mel = {"kind": "log_mel", "n_mels": 8}
    frontend = FrontendConfig.model_validate({"stft": {"window_ms": 64, "hop_ms": 16}, "input": mel, "target": mel})
    values = {"optimiser": OptimiserConfig(segment_frames=N_FRAMES), "objective": objective, **changes}
    return TrainingConfig(model=choice, frontend=frontend, **values)


@every_model
def test_mel_targets_are_allowed_and_other_segments_are_not(kind: str) -> None:
    assert training(kind).frontend.target.n_mels == 8
    with pytest.raises((ConfigError, ValueError), match=r"codes segments of 4 frames, optimiser.segment_frames is 1"):
        training(kind, optimiser=OptimiserConfig())
    with pytest.raises((ConfigError, ValueError), match=r"is trained by objective elbo, received adversarial"):
        training(kind, objective=ObjectiveChoice(kind="adversarial"))


@every_model
def test_it_is_refused_where_sources_are_separated(kind: str) -> None:
    models = fresh_checkpoint(training(kind), ("speech",))
    with pytest.raises(
        CheckpointError,
        match=rf"{kind} takes no mixtures of one microphone apart. It codes segments of speech: use",
    ):
        Separator([models])

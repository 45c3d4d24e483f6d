"""What every network keeps, whatever kind it is of: shapes, finite values, gradients, and a folder that holds it."""

from __future__ import annotations

import random
import tempfile
import unittest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sepvae.estimator.checkpoint import Checkpoint, CheckpointConfig, load_checkpoint, save_checkpoint
from sepvae.estimator.config import EstimatorConfig
from sepvae.models import MODELS
from sepvae.models.contract import Decoded, ModelChoice, Posterior, most_likely
from sepvae.models.network import ConditionalNetwork, JointNetwork, SourceNetwork, WaveNetwork
from sepvae.models.segment_network import SegmentNetwork
from sepvae.testing.contract import Settings, check_settings, expect, only

N_INPUTS, N_OUTPUTS = 6, 4
SOURCES = ("a", "b")
# Of larger networks gradients are checked along random directions, not weight by weight.
_SMALL = 2_000


def build(name: str, settings: Settings, dtype: torch.dtype = torch.float64) -> Any:
    """Return a network with random weights, ready to be run."""
    entry = MODELS.resolve(name)
    # One that is told who speaks gives the powers that it was given.
    n_outputs = N_INPUTS if issubclass(entry, ConditionalNetwork) else N_OUTPUTS
    torch.manual_seed(0)
    network = ModelChoice.of(name, settings).build(n_inputs=N_INPUTS, n_outputs=n_outputs, sources=SOURCES)
    for weight in network.parameters():
        # Behind a layer that starts at 0 nothing would be seen.
        if weight.ndim > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return network.to(dtype).eval()


def noise(network: Any, *shape: int, seed: int = 0) -> Tensor:
    """Return noise of the type of the weights."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.to(next(network.parameters()).dtype)


def example(network: Any, batch: int = 2, n_frames: int = 9, *, seed: int = 0) -> Tensor:
    """Return what a network takes: waves (batch, time), or features (batch, frames, n_inputs) that are not negative."""
    if isinstance(network, WaveNetwork):
        return noise(network, batch, n_frames, seed=seed)
    if isinstance(network, SegmentNetwork):
        n_frames = network.config.segment_frames
    if isinstance(network, SourceNetwork):
        n_frames += 2 * network.context_frames
    return noise(network, batch, n_frames, N_INPUTS, seed=seed).abs()


def passes(network: Any, values: Tensor) -> list[tuple[Posterior, Decoded]]:
    """Return every way through a network of features: what is encoded, and what the mean of it is decoded to."""
    if isinstance(network, JointNetwork):
        return [(found.posterior, found.decoded) for found in network.reconstruct(values, most_likely).values()]
    told = [network.infer(values).log_classes.exp()] if isinstance(network, ConditionalNetwork) else []
    posterior = network.encode(values, *told)
    return [(posterior, network.decode(posterior.mean, *told))]


def everything(network: Any, values: Tensor) -> list[Tensor]:
    """Return all that a network gives for what it takes."""
    if isinstance(network, WaveNetwork):
        return [network(values)]
    inferred = network.infer(values) if isinstance(network, ConditionalNetwork) else None
    extra = [] if inferred is None else [*inferred.posterior, inferred.log_classes]
    ways = [part for posterior, decoded in passes(network, values) for part in (*posterior, *decoded)]
    return [part for part in (*ways, *extra) if part is not None]


def _finite(parts: list[Tensor]) -> bool:
    return all(bool(torch.isfinite(part).all()) for part in parts)


def check_any_number_of_frames(name: str, settings: Settings) -> None:
    """As many frames come out as go in, whatever their number; waves keep their length, segments have one latent."""
    network, rng = build(name, settings, torch.float32), random.Random(0)  # noqa: S311
    for batch, n_frames in ((1, 1), (3, 40), *((rng.randint(1, 3), rng.randint(1, 40)) for _ in range(13))):
        values = example(network, batch, n_frames)
        expect(_finite(everything(network, values)), f"{n_frames} frames give values that are not finite")
        if isinstance(network, WaveNetwork):
            shape = tuple(network(values).shape)
            expect(shape == (len(SOURCES), batch, n_frames), f"waves {tuple(values.shape)} become {shape}")
            continue
        segments = isinstance(network, SegmentNetwork)
        n_outputs = N_INPUTS if isinstance(network, ConditionalNetwork) else N_OUTPUTS
        decoded_shape = (batch, network.config.segment_frames if segments else n_frames, n_outputs)
        for posterior, decoded in passes(network, values):
            coded = tuple(posterior.mean.shape)
            expect(coded[:2] == (batch, 1 if segments else n_frames), f"{tuple(values.shape)} is encoded to {coded}")
            expect(tuple(decoded.spectrum.shape) == decoded_shape, f"decoded to {tuple(decoded.spectrum.shape)}")
            for mean, log_variance in (posterior, decoded):
                same = log_variance is None or log_variance.shape == mean.shape
                expect(same, f"a log-variance has another shape than its mean {tuple(mean.shape)}")


def check_silence_and_extreme_levels_stay_finite(name: str, settings: Settings) -> None:
    """Silence, and inputs at levels of 1e-20 and 1e6, give finite values in single precision."""
    for scale in (0.0, 1e-20, 1e6):
        network = build(name, settings, torch.float32)
        # Silence of one kind is what it has learnt from, where it takes mean and spread of its features.
        network.standardise(scale * example(network, 3).flatten(0, -2), scale * noise(network, 3, N_OUTPUTS).abs())
        expect(_finite(everything(network, scale * example(network, seed=1))), f"at a level of {scale:g} it is not")


@only(lambda entry: not issubclass(entry, (ConditionalNetwork, WaveNetwork)), "is shown powers or waves")
def check_networks_that_take_roots_say_so(name: str, settings: Settings) -> None:
    """Negative features give finite values, exactly when it does not say that it `takes_roots`."""
    network = build(name, settings)
    finite, says = _finite(everything(network, -example(network))), network.takes_roots
    expect(finite is not says, f"takes_roots is {says}, and negative features give {'' if finite else 'no '}numbers")


def check_a_batch_of_two_is_two_singles(name: str, settings: Settings) -> None:
    """Items of a batch know nothing of each other."""
    network = build(name, settings)
    values, axis = example(network), 1 if issubclass(MODELS.resolve(name), WaveNetwork) else 0
    singles = [everything(network, values[index : index + 1]) for index in range(2)]
    for both, *one in zip(everything(network, values), *singles, strict=True):
        torch.testing.assert_close(both, torch.cat(one, dim=axis), atol=1e-12, rtol=1e-12)


def check_evaluation_twice_is_bit_equal(name: str, settings: Settings) -> None:
    """Nothing is drawn, and nothing of another input stays behind."""
    network = build(name, settings, torch.float32)
    values = example(network)
    first = everything(network, values)
    everything(network, 5 * values)
    again = everything(network, values)
    expect(all(torch.equal(one, two) for one, two in zip(first, again, strict=True)), "the second time gives another")


def check_float32_agrees_with_float64(name: str, settings: Settings) -> None:
    """Single precision gives single precision, and what double precision gives up to 2e-5."""
    wide, narrow = build(name, settings), build(name, settings, torch.float32)
    narrow.load_state_dict({key: tensor.float() for key, tensor in wide.state_dict().items()})
    values = example(wide)
    for one, two in zip(everything(wide, values), everything(narrow, values.float()), strict=True):
        expect(two.dtype == torch.float32, f"float32 becomes {two.dtype}")
        torch.testing.assert_close(two.double(), one, atol=2e-5, rtol=2e-5)


def check_gradients_are_right(name: str, settings: Settings) -> None:
    """Gradients of all that it gives, by all weights and inputs, are those of finite differences."""
    network = build(name, settings)
    values = example(network, 1, 3).requires_grad_()
    weights = tuple(network.parameters())
    small = sum(weight.numel() for weight in weights) <= _SMALL
    torch.autograd.gradcheck(lambda *_: tuple(everything(network, values)), (values, *weights), fast_mode=not small)


def check_every_weight_takes_part(name: str, settings: Settings) -> None:
    """Each weight has a gradient, but for those that it says stand `apart`: none is made and not used."""
    network = build(name, settings)
    values = example(network, 3)
    parts = everything(network, values)
    if isinstance(network, SourceNetwork):
        # A learnt prior is part of a reconstruction, and of neither encoder nor decoder.
        parts += [part for part in network.reconstruct(values, most_likely).prior or () if part is not None]
    torch.stack([part.square().sum() for part in parts]).sum().backward()  # type: ignore[no-untyped-call]
    silent = {key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()}
    apart = {key for key in silent if key.startswith(network.apart)}
    expect(silent == apart, f"without a gradient: {', '.join(sorted(silent - apart))}")


def check_settings_are_strict_and_kept(name: str, settings: Settings) -> None:
    """Settings survive JSON, defaults are filled in, and a key that is not known is named."""
    check_settings(ModelChoice, name, settings)


def check_saved_and_loaded_is_bit_equal(name: str, settings: Settings) -> None:
    """A model folder gives back the same weights and settings."""
    # Features that most networks can take: an even number of them.
    features = {"kind": "magnitude" if MODELS.resolve(name).takes_roots else "complex"}
    frontend = {"sample_rate": 8000, "input": features, "target": features}
    choice = {"kind": name, "settings": dict(settings)}
    estimator = EstimatorConfig.model_validate({"model": choice, "frontend": frontend})
    config = CheckpointConfig(sources=SOURCES, estimator=estimator)
    torch.manual_seed(3)
    saved = config.build()
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "model", Checkpoint(config, saved))
        loaded = load_checkpoint(Path(folder) / "model")
    found = loaded.config.model_copy(update={"plugins": ()})
    expect(found == config, f"the folder says {found}, saved was {config}")
    tensors = loaded.estimator.networks.state_dict()
    changed = [key for key, tensor in saved.networks.state_dict().items() if not torch.equal(tensor, tensors[key])]
    expect(changed == [], f"other weights come back: {', '.join(changed)}")


@only(lambda entry: issubclass(entry, (SourceNetwork, SegmentNetwork)), "is no network of one source or segment")
def check_a_reconstruction_is_what_is_encoded_decoded(name: str, settings: Settings) -> None:
    """Without a prior of its own, the most likely reconstruction is the mean of what is encoded, decoded."""
    network = build(name, settings)
    values = example(network)
    found = network.reconstruct(values, most_likely)
    if found.prior is not None:
        raise unittest.SkipTest("has a prior that depends on what came before")
    expect(torch.equal(found.latent, found.posterior.mean), "the latent is not the mean that was asked for")
    parts = [part for part in (*found.posterior, *found.decoded) if part is not None]
    same = all(torch.equal(one, two) for one, two in zip(parts, everything(network, values), strict=True))
    expect(same, "`reconstruct` gives other values than `encode` and `decode`")


@only(lambda entry: issubclass(entry, SegmentNetwork), "is no network of segments")
def check_units_say_nothing_to_networks_of_segments(name: str, settings: Settings) -> None:
    """Features of other units, such as dB for nepers, have the same code, and give the output in those units."""
    plain, scaled = build(name, settings), build(name, settings)
    frames, targets = noise(plain, 80, N_INPUTS), noise(plain, 80, N_OUTPUTS, seed=1)
    plain.standardise(frames, targets)
    scaled.standardise(8.7 * frames - 3, 8.7 * targets + 5)
    values = noise(plain, 2, plain.config.segment_frames, N_INPUTS, seed=2)
    mean, log_variance, spectrum, spread = everything(plain, values)
    other = everything(scaled, 8.7 * values - 3)
    expect(0 < mean[..., plain.nuisance].shape[-1] <= mean.shape[-1], f"nuisance is {plain.nuisance} of {mean.shape}")
    for found, expected in zip(
        other, (mean, log_variance, 8.7 * spectrum + 5, spread + 2 * torch.tensor(8.7).double().log()), strict=True
    ):
        torch.testing.assert_close(found, expected)

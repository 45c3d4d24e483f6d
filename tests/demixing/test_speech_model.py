"""The source models with a conditional VAE: costs, their slopes by finite differences, and who speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.fastmvae import FastMvaeVariances
from sepvae.demixing.fastmvae2 import FastMvae2Variances
from sepvae.demixing.mvae import MvaeVariances
from sepvae.demixing.speech_model import CvaeVariances, InferredSources
from sepvae.models.conditional import ConditionalVae
from sepvae.testing.algorithms import make_model

N_BINS, N_FRAMES = 5, 12
Gaussian = Callable[..., Tensor]
KINDS = ["mvae", "fastmvae", "fastmvae2"]
every_model = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, network: ConditionalVae, *, n_steps: int = 4, speakers: Tensor | None = None) -> CvaeVariances:
    model = make_model(network)
    if kind == "mvae":
        return MvaeVariances(model, n_steps=n_steps, learning_rate=0.05, speakers=speakers)
    return (FastMvaeVariances if kind == "fastmvae" else FastMvae2Variances)(model, speakers=speakers)


def powers(gaussian: Gaussian, *, n_batch: int = 1, seed: int = 0) -> Tensor:
    return gaussian(n_batch, 2, N_BINS, N_FRAMES, seed=seed, dtype=torch.float64).square() + 1e-3


def negative_log_likelihood(power: Tensor, variances: Tensor, latent: Tensor) -> Tensor:
    """Return log v + |y|²/v and −log N(z; 0, I), summed over sources and bins, averaged over frames."""
    prior = 0.5 * latent.double().square().sum((1, 2)).view(power.shape[:2])
    return ((variances.log() + power / variances).sum((2, 3)) + prior).sum(1) / power.shape[3]


@every_model
def test_the_contrast_is_the_negative_log_likelihood(gaussian: Gaussian, voices: Any, kind: str) -> None:
    power, model = powers(gaussian, n_batch=2), make(kind, voices())
    variances, contrast = model.fit(power)
    assert variances.shape == power.shape
    assert model.inferred is not None
    torch.testing.assert_close(contrast, negative_log_likelihood(power, variances, model.inferred.latent))
    other = powers(gaussian, n_batch=2, seed=1)
    torch.testing.assert_close(model.contrast(other), negative_log_likelihood(other, variances, model.inferred.latent))


@every_model
def test_each_source_has_its_best_gain(gaussian: Gaussian, voices: Any, kind: str) -> None:
    """The mean of |y|²/v is 1 at the gain that minimises the likelihood."""
    power = powers(gaussian, n_batch=2)
    variances = make(kind, voices()).fit(power).variances
    torch.testing.assert_close((power / variances).mean((2, 3)), torch.ones(2, 2).double(), rtol=1e-9, atol=0)


@every_model
@pytest.mark.parametrize("scale", [1e-8, 1e6])
def test_the_level_of_a_source_is_in_its_gain(gaussian: Gaussian, voices: Any, kind: str, scale: float) -> None:
    power, network = powers(gaussian), voices()
    one, other = make(kind, network).fit(power).variances, make(kind, network).fit(scale * power).variances
    torch.testing.assert_close(other / scale, one, rtol=1e-4, atol=0)


@every_model
def test_it_follows_a_change_of_scale(gaussian: Gaussian, voices: Any, kind: str) -> None:
    power, model = powers(gaussian), make(kind, voices())
    before = model.fit(power).contrast
    factors = torch.tensor([[4.0, 0.01]], dtype=torch.float64)
    model.rescale(factors)
    after = model.contrast(power * factors[..., None, None])
    torch.testing.assert_close(after, before + N_BINS * factors.log().sum(), rtol=1e-9, atol=1e-9)


def test_the_fast_models_take_what_the_network_infers(gaussian: Gaussian, voices: Any) -> None:
    power, network = powers(gaussian), voices()
    flat = (power / power.mean((2, 3), keepdim=True))[0].transpose(1, 2).float()
    with torch.no_grad():
        found = network.infer(flat)
        told = network.encode(flat, found.log_classes.exp()).mean
        spectra = network.decode(found.posterior.mean, found.log_classes.exp()).spectrum.double()
    fast, faster = make("fastmvae", network), make("fastmvae2", network)
    fast.fit(power)
    variances = faster.fit(power).variances
    assert fast.inferred is not None
    assert faster.inferred is not None
    torch.testing.assert_close(fast.inferred.latent, told)
    torch.testing.assert_close(faster.inferred.latent, found.posterior.mean)
    shapes = variances[0] / variances[0].mean((1, 2), keepdim=True)
    spectra = (spectra / spectra.mean((1, 2), keepdim=True)).transpose(1, 2)
    torch.testing.assert_close(shapes, spectra, rtol=1e-4, atol=1e-6)


@every_model
def test_speakers_who_are_known_are_believed(gaussian: Gaussian, voices: Any, kind: str) -> None:
    power, network = powers(gaussian), voices()
    speakers = torch.eye(3)[None, :2]
    swapped = speakers.flip(1)
    one, other = (make(kind, network, speakers=who).fit(power).variances for who in (speakers, swapped))
    assert not torch.allclose(one, other)
    model = make(kind, network, speakers=speakers)
    variances = model.fit(power).variances
    assert model.inferred is not None
    with torch.no_grad():
        decoded = network.decode(model.inferred.latent, speakers[0]).spectrum.double().transpose(1, 2)
    ratio = variances[0] / decoded
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-4, atol=0)


@every_model
def test_classes_are_of_each_source(gaussian: Gaussian, voices: Any, kind: str) -> None:
    model = make(kind, voices())
    assert model.log_classes is None
    model.fit(powers(gaussian, n_batch=3))
    assert model.log_classes is not None
    assert model.log_classes.shape == (3, 2, 3)


@every_model
def test_a_batch_of_two_is_two_singles(gaussian: Gaussian, voices: Any, kind: str) -> None:
    power, network = powers(gaussian, n_batch=2), voices()
    both, singles = make(kind, network), [make(kind, network) for _ in range(2)]
    for _ in range(3):
        together = both.fit(power).variances
        alone = torch.cat([model.fit(power[item : item + 1]).variances for item, model in enumerate(singles)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=0)


@every_model
@pytest.mark.parametrize("level", [0.0, 1e-28])
def test_silence_stays_finite(gaussian: Gaussian, voices: Any, kind: str, level: float) -> None:
    power, model = powers(gaussian).float(), make(kind, voices())
    power[:, 0] = level
    for _ in range(3):
        variances, contrast = model.fit(power)
    assert torch.isfinite(variances).all()
    assert torch.isfinite(1 / variances).all()
    assert torch.isfinite(contrast).all()


@given(seed=st.integers(0, 99), n_steps=st.integers(1, 5))
@settings(max_examples=10)
def test_mvae_never_raises_its_contrast(gaussian: Gaussian, voices: Any, seed: int, n_steps: int) -> None:
    """Not even when the powers change between fits: it starts from what it had."""
    power, model = powers(gaussian, seed=seed), make("mvae", voices(), n_steps=n_steps)
    last = model.fit(power).contrast
    for _ in range(3):
        now = model.fit(power).contrast
        assert (now <= last + 1e-6 * last.abs()).all()
        last = now
    moved = power * torch.exp(0.3 * powers(gaussian, seed=seed + 1))
    before = model.contrast(moved)
    assert (model.fit(moved).contrast <= before + 1e-6 * before.abs()).all()


def test_mvae_refuses_steps_that_lead_nowhere(gaussian: Gaussian, voices: Any) -> None:
    """With a learning rate far too large, the best it knows is where it is."""
    power, network = powers(gaussian), voices()
    wild = MvaeVariances(make_model(network), n_steps=3, learning_rate=1e4)
    torch.testing.assert_close(
        wild.fit(power).contrast, make("fastmvae2", network).fit(power).contrast, rtol=1e-6, atol=0
    )


def test_mvae_leaves_a_wrong_start_behind(gaussian: Gaussian, voices: Any) -> None:
    """What was fitted to other powers is dropped where the inference knows better, and kept where it does not."""
    network = voices()
    model = make("mvae", network, n_steps=1)
    model.fit(1e3 * powers(gaussian, seed=5).flip(3) ** 3)
    power = powers(gaussian)
    fresh = make("mvae", network, n_steps=1).fit(power).contrast
    assert (model.fit(power).contrast <= fresh + 1e-6 * fresh.abs()).all()


def test_mvae_descends_though_its_products_are_rounded(gaussian: Gaussian, voices: Any) -> None:
    power, model = powers(gaussian), MvaeVariances(make_model(voices()), n_steps=2, learning_rate=0.05, half=True)
    values = torch.stack([model.fit(power).contrast for _ in range(6)])
    assert (values[1:] <= values[:-1] + 1e-6 * values[:-1].abs()).all()
    assert (values[-1] < values[0]).all()


def test_steps_in_half_precision_lead_as_far(gaussian: Gaussian, voices: Any) -> None:
    """To a few per cent of how far those in single precision lead from what the inference says."""
    power, network = powers(gaussian), voices()
    start = make("fastmvae2", network).fit(power).contrast
    single, half = (
        MvaeVariances(make_model(network), n_steps=20, learning_rate=0.05, half=half).fit(power).contrast
        for half in (False, True)
    )
    assert (single < start - 0.1).all()
    torch.testing.assert_close(start - half, start - single, rtol=0.05, atol=0)


def test_a_fit_goes_on_from_where_the_last_one_ended(gaussian: Gaussian, voices: Any) -> None:
    """Two fits of three steps to the same powers are one of six, while every step is one down."""
    power, network = powers(gaussian), voices()
    twice, once = (MvaeVariances(make_model(network), n_steps=n_steps, learning_rate=1e-3) for n_steps in (3, 6))
    twice.fit(power)
    torch.testing.assert_close(twice.fit(power).variances, once.fit(power).variances, rtol=1e-5, atol=0)


def test_mvae_gets_lower_than_the_fast_inference(gaussian: Gaussian, voices: Any) -> None:
    power, network = powers(gaussian), voices()
    descended = make("mvae", network, n_steps=100).fit(power).contrast
    assert (descended < make("fastmvae2", network).fit(power).contrast - 0.1).all()


@pytest.mark.parametrize("known", [False, True])
def test_slopes_of_the_cost_are_those_of_finite_differences(gaussian: Gaussian, voices: Any, known: bool) -> None:
    network = voices().double()
    speakers = torch.eye(3, dtype=torch.float64)[None, :2] if known else None
    model = MvaeVariances(make_model(network), n_steps=1, learning_rate=0.1, speakers=speakers)
    power = powers(gaussian)[0].transpose(1, 2)
    sources = InferredSources(
        gaussian(2, N_FRAMES, 3, dtype=torch.float64).requires_grad_(),
        gaussian(2, 3, seed=1, dtype=torch.float64).requires_grad_(),
    )
    slopes = model._slopes(power, model._decode(sources).variances.detach(), model._log_variances(sources), sources)

    def cost(values: Tensor, name: str) -> Tensor:
        return model._cost(power, model._decode(sources._replace(**{name: values}))).sum()

    for name, values, found in zip(sources._fields, sources, slopes, strict=True):
        flat = values.detach().flatten()
        nudges = 1e-6 * torch.eye(len(flat), dtype=torch.float64)
        rises = [
            cost((flat + nudge).view(values.shape), name) - cost((flat - nudge).view(values.shape), name)
            for nudge in nudges
        ]
        torch.testing.assert_close(found.flatten(), torch.stack(rises).detach() / 2e-6, rtol=1e-6, atol=1e-6)


def test_the_cost_is_the_contrast_of_each_source_but_for_a_constant(gaussian: Gaussian, voices: Any) -> None:
    """Σ log v + |y|²/v at the best gain, over all frames: FN (1 + log mean(|y|²/σ²)) + Σ log σ² + ½‖z‖²."""
    network = voices()
    power = powers(gaussian)
    power /= power.mean((2, 3), keepdim=True)
    model = make("mvae", network)
    contrast = model.fit(power).contrast
    assert isinstance(model, MvaeVariances)
    assert model.inferred is not None
    assert model._best is not None
    cost = model._cost(power[0].transpose(1, 2).float(), model._best).sum().double()
    torch.testing.assert_close(contrast[0] * N_FRAMES, cost + 2 * N_BINS * N_FRAMES, rtol=1e-5, atol=1e-4)


@every_model
def test_the_network_is_left_as_it_was(gaussian: Gaussian, voices: Any, kind: str) -> None:
    """Its weights, and their gradients; dropout is off."""
    network = voices()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.train()
    make(kind, network).fit(powers(gaussian))
    assert not network.training
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())

"""Fitting models of sources to mixtures: closed forms, monotone gains, restarts, and what nothing may depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.config import parse_config
from sepvae.estimator.generative import (
    Decoder,
    GenerativeConfig,
    draw_starts,
    fit_objective,
    fit_sources,
    update_gains,
)
from sepvae.models.contract import Decoded, Posterior
from sepvae.objectives import LIKELIHOODS
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig, fresh_checkpoint

LIKELIHOOD = pytest.mark.parametrize("likelihood", ["poisson", "itakura_saito"])


def config(**settings: Any) -> GenerativeConfig:
    return parse_config(GenerativeConfig, settings, where="test")


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1


def line(atoms: Tensor) -> Decoder:
    """Return a decoder whose spectra are positive combinations of atoms (latent, bins)."""
    return lambda latent: latent.exp() @ atoms


def fixed(spectrum: Tensor) -> Decoder:
    return lambda latent: spectrum + 0 * latent.sum(-1, keepdim=True)


@LIKELIHOOD
@pytest.mark.parametrize("gain", ["source", "frame"])
@given(seed=st.integers(0, 1000), n_sources=st.integers(1, 3))
def test_an_update_of_the_gains_never_lowers_the_likelihood(
    likelihood: str, gain: str, seed: int, n_sources: int
) -> None:
    settings = config(likelihood=likelihood, gain=gain, prior_weight=0)
    mixture, spectra = 5 * rand(2, 4, 6, seed=seed), rand(n_sources, 2, 4, 6, seed=seed + 1).square()
    gains = rand(n_sources, 2, 4 if gain == "frame" else 1, 1, seed=seed + 2)
    before = fit_objective(mixture, gains * spectra, [], settings)
    for _ in range(3):
        gains = update_gains(mixture, spectra, gains, settings)
        after = fit_objective(mixture, gains * spectra, [], settings)
        assert (after <= before * (1 + 1e-12)).all()
        before = after


@LIKELIHOOD
@pytest.mark.parametrize("gain", ["source", "frame"])
def test_gains_of_one_source_have_a_closed_form(likelihood: str, gain: str) -> None:
    mixture, spectrum = rand(1, 4, 6), rand(1, 4, 6, seed=1)
    fit = fit_sources(
        mixture, [fixed(spectrum)], [torch.zeros(1, 1, 4, 2).double()],
        config(likelihood=likelihood, gain=gain, n_steps=60, tolerance=0),
    )  # fmt: skip
    axes = (1, 2) if gain == "source" else (2,)
    if likelihood == "poisson":  # Σx = g Σs
        wanted = mixture.sum(axes, keepdim=True) / spectrum.sum(axes, keepdim=True)
    else:  # the mean of x / s
        wanted = (mixture / spectrum).mean(axes, keepdim=True)
    torch.testing.assert_close(fit.gains[0], wanted, rtol=1e-4, atol=0)
    torch.testing.assert_close(fit.spectra[0], wanted * spectrum, rtol=1e-4, atol=0)


@LIKELIHOOD
def test_sources_on_bins_of_their_own_are_found_exactly(likelihood: str) -> None:
    atoms = torch.eye(6, dtype=torch.float64)
    sources = torch.stack([rand(1, 5, 3, seed=1) @ atoms[:3], rand(1, 5, 3, seed=2) @ atoms[3:]])
    fit = fit_sources(
        sources.sum(0), [line(atoms[:3]), line(atoms[3:])], [torch.zeros(1, 1, 5, 3).double()] * 2,
        config(likelihood=likelihood, gain="none", prior_weight=0, n_steps=600, learning_rate=0.05, tolerance=0),
    )  # fmt: skip
    torch.testing.assert_close(fit.spectra, sources, atol=1e-3, rtol=1e-3)
    assert float(fit.trace[-1]) < 1e-4


@LIKELIHOOD
def test_a_mixture_of_the_models_is_explained_as_well_as_the_truth_does(likelihood: str) -> None:
    atoms = [rand(2, 12, seed=seed).square() for seed in (1, 2)]
    truth = [
        torch.randn(1, 8, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (3, 4)
    ]
    spectra = torch.stack([line(own)(latent) for own, latent in zip(atoms, truth, strict=True)])
    settings = config(likelihood=likelihood, gain="source", prior_weight=0.01, n_steps=300, tolerance=0, n_restarts=2)
    starts = draw_starts({name: Posterior(torch.zeros(1, 8, 2).double(), None) for name in "ab"}, settings)
    fit = fit_sources(spectra.sum(0), [line(own) for own in atoms], starts, settings)
    best = float(fit.trace[-1].min())
    assert best < 0.02 * float(fit.trace[0].min())
    assert best <= float(fit_objective(spectra.sum(0), spectra, truth, settings))
    torch.testing.assert_close(fit.spectra, spectra, atol=0.15, rtol=0.15)


def test_the_objective_by_hand() -> None:
    settings = config(likelihood="poisson", prior_weight=2.0, smoothness=0.5)
    mixture, latents = rand(2, 3, 4), [rand(2, 3, 5, seed=1), rand(2, 3, 2, seed=2)]
    spectra = rand(2, 2, 3, 4, seed=3)
    nll = LIKELIHOODS.resolve("poisson")(mixture, Decoded(spectra.sum(0), None), 1.0)
    for item in range(2):
        wanted = nll[item].sum() + sum(latent[item].square().sum() for latent in latents)
        wanted = wanted + 0.5 * (spectra[:, item, 1:] - spectra[:, item, :-1]).abs().sum()
        torch.testing.assert_close(fit_objective(mixture, spectra, latents, settings)[item], wanted)


def bumpy(latent: Tensor) -> Tensor:
    """Return spectra of one bin: 1 at z = 2, where a mixture of 1 is explained, and a false valley of 3 at z = −2."""
    z = latent[..., :1]
    return 1 + 0.05 * (z.square() - 4).square() + (0.5 * (2 - z)).clamp_min(0)


def test_the_restart_with_the_lowest_objective_is_taken_and_the_trace_never_rises() -> None:
    mixture = torch.ones(2, 1, 1, dtype=torch.float64)
    starts = torch.tensor([[-2.5, 1.5, -1.5], [2.5, -2.0, -1.0]], dtype=torch.float64)[..., None, None]
    fit = fit_sources(mixture, [bumpy], [starts], config(gain="none", prior_weight=0, n_steps=50, tolerance=0))
    assert fit.trace.shape == (51, 2, 3)
    assert (fit.trace.diff(dim=0) <= 0).all()
    assert fit.chosen.tolist() == [1, 0]
    assert torch.equal(fit.trace[-1].min(-1).values, fit.trace[-1].gather(-1, fit.chosen[:, None])[:, 0])
    kept = fit_objective(mixture, fit.spectra, fit.latents, config(prior_weight=0))
    torch.testing.assert_close(kept, fit.trace[-1].min(-1).values)


def test_starts_are_the_encoders_then_draws_of_the_prior() -> None:
    posteriors = {name: Posterior(rand(3, 50, 20, seed=number), None) for number, name in enumerate(["a", "b"])}
    one, two = (draw_starts(posteriors, config(n_restarts=3, seed=seed)) for seed in (0, 1))
    again = draw_starts({name: posteriors[name] for name in ("b", "a")}, config(n_restarts=2))
    for start, posterior in zip(one, posteriors.values(), strict=True):
        assert torch.equal(start[:, 0], posterior.mean)
        assert torch.equal(start[0, 1], start[2, 1])
        assert not torch.equal(start[0, 1], start[0, 2])
        assert abs(float(start[0, 1:].mean())) < 0.1
        assert 0.9 < float(start[0, 1:].std()) < 1.1
    # Draws go by the name of the source and the number of the restart, not by order.
    assert torch.equal(one[0][:, :2], again[1])
    assert not torch.equal(one[0][:, 1], one[1][:, 1])
    assert not torch.equal(one[0][:, 1], two[0][:, 1])


def test_a_fit_does_not_depend_on_its_neighbours_and_stops_when_it_stands_still() -> None:
    atoms = [rand(3, 8, seed=seed) for seed in (1, 2)]
    decoders, mixture = (
        [line(own) for own in atoms],
        rand(3, 4, 8, seed=5) * torch.tensor([1.0, 30.0, 0.0])[:, None, None],
    )
    settings = config(n_steps=1000, learning_rate=0.1, n_restarts=2, tolerance=1e-2)

    def fit(part: Tensor) -> Any:
        posteriors = {name: Posterior(part.new_zeros(len(part), 4, 3), None) for name in "ab"}
        return fit_sources(part, decoders, draw_starts(posteriors, settings), settings)

    together = fit(mixture)
    alone = [fit(mixture[item : item + 1]) for item in range(3)]
    assert len({len(one.trace) for one in alone}) > 1
    assert max(len(one.trace) for one in alone) == len(together.trace) < 1000
    for item, one in enumerate(alone):
        torch.testing.assert_close(together.spectra[:, item], one.spectra[:, 0])
        assert torch.isfinite(one.spectra).all()


def make_separator(n_steps: int) -> Separator:
    training = {
        "frontend": {"sample_rate": 8000},
        "model": {"kind": "generator", "settings": {"latent": 4, "hidden": 8}},
        "inference": {"kind": "generative", "n_steps": n_steps, "n_restarts": 2},
    }
    models = []
    for seed, name in enumerate(["a", "b"]):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            models.append(fresh_checkpoint(parse_config(TrainingConfig, training, where="test"), [name]))
    return Separator(models)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return make_separator(10)


def test_a_separator_fits_where_its_models_say_so(separator: Separator) -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4001)).astype(np.float32)
    before = [parameter.clone() for item in separator._estimators.estimators for parameter in item.parameters()]
    estimates = separator.separate(wave, 8000)
    assert list(estimates) == ["a", "b"]
    np.testing.assert_allclose(estimates["a"] + estimates["b"], wave, atol=1e-5)
    assert not np.allclose(make_separator(0).separate(wave, 8000)["a"], estimates["a"], atol=1e-3)
    again = separator.separate(wave, 8000)
    assert all(np.array_equal(estimates[name], again[name]) for name in estimates)
    for channel in range(2):
        alone = separator.separate(wave[channel], 8000)
        np.testing.assert_allclose(alone["a"], estimates["a"][channel], atol=1e-5)
    after = [parameter for item in separator._estimators.estimators for parameter in item.parameters()]
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)


def test_long_files_are_fitted_block_by_block(separator: Separator) -> None:
    wave = torch.rand(1, 12_000, generator=torch.Generator().manual_seed(0)) - 0.5
    blocks = list(separator.stream(lambda start, stop: wave[:, start:stop].numpy(), n_samples=12_000, block_s=0.5))
    assert [block["a"].shape[1] for block in blocks] == [3968, 3968, 3968, 96]  # multiples of the hop, and the rest
    total = torch.from_numpy(np.concatenate([block["a"] + block["b"] for block in blocks], axis=1))
    torch.testing.assert_close(total, wave, atol=1e-5, rtol=0)

"""The demixing loop: descent of its objective, invariances, and mixtures that it has to separate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.auxiva import AuxIvaVariances
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import with_past
from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.demixing.loop import Demixed, demix, identity
from sepvae.demixing.mvae import MvaeVariances
from sepvae.demixing.projection_back import project_back
from sepvae.demixing.updates import updates_with_past
from sepvae.seeds import torch_generator
from sepvae.testing.algorithms import make_model

N_BINS = 5
MONOTONE = ["laplace", "gauss", "ilrma", "mvae"]
every_model = pytest.mark.parametrize("kind", MONOTONE)
every_update = pytest.mark.parametrize("update", UPDATES)


def make(kind: str, voices: Callable[..., Any], *, n_batch: int = 1) -> SourceVariances:
    if kind == "ilrma":
        return IlrmaVariances(2, [torch_generator(0, "ilrma") for _ in range(n_batch)])
    if kind == "mvae":
        return MvaeVariances(make_model(voices()), n_steps=3, learning_rate=0.05)
    return AuxIvaVariances("laplace" if kind == "laplace" else "gauss")


def run(
    spectrum: Tensor, model: SourceVariances, *, n_iterations: int = 5, update: str = "ip", **settings_: Any
) -> Demixed:
    start = settings_.pop("demixing", None)
    if start is None:
        start = identity(spectrum, n_sources=spectrum.shape[2])
    return demix(spectrum, model, n_iterations=n_iterations, demixing=start, update=update, **settings_)


def images(demixed: Demixed) -> Tensor:
    return project_back(demixed.demixing, demixed.separated)


def assert_falls(objective: Tensor) -> None:
    rises = objective.diff(dim=0) / (1 + objective[1:].abs())
    assert rises.max() <= 1e-6, f"rises by {rises.max():.1e}"


@every_model
@every_update
@given(n_sources=st.integers(2, 3), seed=st.integers(0, 99), level_db=st.integers(-60, 60))
@settings(max_examples=8)
def test_the_objective_never_rises(
    talkers: Any, voices: Any, kind: str, update: str, n_sources: int, seed: int, level_db: int
) -> None:
    spectrum = 10 ** (level_db / 20) * talkers(n_sources=n_sources, n_frames=40, seed=seed, n_bins=N_BINS).spectrum
    found = run(spectrum, make(kind, voices), n_iterations=6, update=update)
    assert found.objective.shape == (7, 1)
    assert_falls(found.objective)
    assert found.objective[-1] < found.objective[0] - 1e-3


@every_model
@pytest.mark.parametrize("update", updates_with_past())
@given(n_taps=st.integers(1, 3), delay=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=6)
def test_the_objective_never_rises_with_the_past(
    talkers: Any, voices: Any, kind: str, update: str, n_taps: int, delay: int, seed: int
) -> None:
    present = talkers(n_frames=50, seed=seed, n_bins=N_BINS).spectrum
    spectrum = with_past(present, delay=delay, n_taps=n_taps)
    start = identity(spectrum, n_sources=2)
    found = run(spectrum, make(kind, voices), n_iterations=6, update=update, demixing=start)
    assert found.demixing.shape == (1, N_BINS, 2, 2 * (1 + n_taps))
    torch.testing.assert_close(found.separated, found.demixing @ spectrum)
    assert_falls(found.objective)


@pytest.mark.parametrize("kind", ["laplace", "gauss"])
def test_the_objective_is_the_likelihood_that_it_says(talkers: Any, voices: Any, kind: str) -> None:
    """From the separated spectra alone, the noise of the microphones (−90 dB) aside."""
    spectrum = talkers(n_batch=2).spectrum
    found = run(spectrum, make(kind, voices))
    power = found.separated.abs().square()
    norms = power.sum(1)
    contrast = 2 * norms.sqrt() if kind == "laplace" else N_BINS * ((norms / N_BINS).log() + 1)
    determinants = torch.linalg.slogdet(found.demixing).logabsdet.sum(1)
    expected = (contrast.sum(1).mean(1) - 2 * determinants) / N_BINS
    torch.testing.assert_close(found.objective[-1], expected, rtol=1e-4, atol=1e-4)


@every_model
@every_update
def test_separated_spectra_are_what_the_matrices_make(talkers: Any, voices: Any, kind: str, update: str) -> None:
    spectrum = talkers(n_sources=3, n_bins=N_BINS).spectrum
    found = run(spectrum, make(kind, voices), update=update)
    torch.testing.assert_close(found.separated, found.demixing @ spectrum, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(images(found).sum(2), spectrum[:, :, 0], rtol=0, atol=1e-8)


# The Laplace density has a width of its own, which has an effect until it has converged.
@pytest.mark.parametrize("kind", [kind for kind in MONOTONE if kind != "laplace"])
@every_update
@pytest.mark.parametrize("scale", [1e-4, 1e3])
def test_scaling_the_input_scales_the_images(talkers: Any, voices: Any, kind: str, update: str, scale: float) -> None:
    spectrum = talkers(n_bins=N_BINS).spectrum
    one = run(spectrum, make(kind, voices), update=update)
    other = run(scale * spectrum, make(kind, voices), update=update)
    # The networks see single precision.
    tolerance = 1e-3 if kind == "mvae" else 1e-7
    torch.testing.assert_close(images(other) / scale, images(one), rtol=tolerance, atol=tolerance)


@every_update
def test_scaling_the_input_of_the_laplace_model_scales_the_images_once_it_has_converged(
    talkers: Any, update: str
) -> None:
    spectrum = talkers(n_frames=200).spectrum
    one = images(run(spectrum, AuxIvaVariances("laplace"), n_iterations=150, update=update))
    other = images(run(100 * spectrum, AuxIvaVariances("laplace"), n_iterations=150, update=update))
    torch.testing.assert_close(other / 100, one, rtol=1e-5, atol=1e-5)


@every_model
def test_the_same_again_is_bit_equal(talkers: Any, voices: Any, kind: str) -> None:
    spectrum = talkers(n_bins=N_BINS).spectrum.to(torch.complex64)
    before = torch.random.get_rng_state()
    one, other = (run(spectrum, make(kind, voices)) for _ in range(2))
    assert torch.equal(one.separated, other.separated)
    assert torch.equal(one.objective, other.objective)
    assert torch.equal(before, torch.random.get_rng_state())


@every_model
@every_update
def test_a_batch_of_two_is_two_singles(talkers: Any, voices: Any, kind: str, update: str) -> None:
    spectrum = talkers(n_batch=2, n_bins=N_BINS).spectrum
    both = run(spectrum, make(kind, voices, n_batch=2), update=update)
    tolerance = 1e-4 if kind == "mvae" else 1e-9
    for item in range(2):
        alone = run(spectrum[item : item + 1], make(kind, voices), update=update)
        torch.testing.assert_close(both.separated[item], alone.separated[0], rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(both.objective[:, item], alone.objective[:, 0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["laplace", "gauss"])
@every_update
def test_the_order_of_microphones_is_rounding(talkers: Any, voices: Any, kind: str, update: str) -> None:
    spectrum = talkers(n_sources=3).spectrum
    order = torch.tensor([0, 2, 1])
    start = identity(spectrum, n_sources=3)
    one = run(spectrum, make(kind, voices), update=update, demixing=start)
    other = run(spectrum[:, :, order], make(kind, voices), update=update, demixing=start[..., order])
    torch.testing.assert_close(images(other), images(one), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(other.demixing, one.demixing[..., order], rtol=1e-8, atol=1e-8)


@every_update
def test_from_the_identity_other_orders_of_microphones_end_at_the_same_images(talkers: Any, update: str) -> None:
    """The sweeps then go over the sources in another order, which convergence forgets."""
    spectrum = talkers(n_sources=3, n_frames=400).spectrum
    one = images(run(spectrum, AuxIvaVariances("gauss"), n_iterations=100, update=update))
    other = images(run(spectrum[:, :, [0, 2, 1]], AuxIvaVariances("gauss"), n_iterations=100, update=update))
    distances = (one[:, :, :, None] - other[:, :, None]).abs().square().sum((0, 1, 4))
    assert (distances.min(1).values < 1e-4 * one.abs().square().sum((0, 1, 3))).all()


@pytest.mark.parametrize("kind", ["gauss", "ilrma"])
@every_update
def test_single_precision_agrees_with_double(talkers: Any, voices: Any, kind: str, update: str) -> None:
    spectrum = talkers(n_frames=100).spectrum
    wide, narrow = (run(x, make(kind, voices), update=update) for x in (spectrum, spectrum.to(torch.complex64)))
    assert narrow.separated.dtype == torch.complex64
    error = (images(narrow) - images(wide)).abs().square().mean() / images(wide).abs().square().mean()
    # The noise that microphones are thought to have is −60 dB and −90 dB of what they hear.
    assert error < 1e-4


@every_update
def test_it_stops_when_nothing_changes(talkers: Any, update: str) -> None:
    spectrum = talkers(n_frames=100).spectrum
    found = run(spectrum, AuxIvaVariances("gauss"), n_iterations=500, update=update, tolerance=1e-5)
    falls = -found.objective[:, 0].diff()
    assert 2 < len(falls) < 400
    assert falls[-1] < 1e-5
    assert (falls[:-1] >= 1e-5).all()


@pytest.mark.parametrize("kind", ["gauss", "ilrma"])
@every_update
def test_what_has_converged_waits_for_the_others(talkers: Any, voices: Any, kind: str, update: str) -> None:
    """A batch stops each recording where it would stop alone, though another takes longer."""
    spectrum = talkers(n_batch=3, n_frames=100).spectrum
    settings_: dict[str, Any] = {"n_iterations": 60, "update": update, "tolerance": 2e-3}
    both = run(spectrum, make(kind, voices, n_batch=3), **settings_)
    lengths = set()
    for item in range(3):
        alone = run(spectrum[item : item + 1], make(kind, voices), **settings_)
        lengths.add(len(alone.objective))
        torch.testing.assert_close(both.separated[item], alone.separated[0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(both.variances[item], alone.variances[0], rtol=1e-9, atol=1e-9)
        trace = both.objective[:, item]
        torch.testing.assert_close(trace[: len(alone.objective)], alone.objective[:, 0], rtol=1e-9, atol=1e-9)
        assert (trace[len(alone.objective) :] == trace[-1]).all()
    assert len(lengths) > 1, "all take as long: the test shows nothing"


def test_without_iterations_it_is_the_start(talkers: Any) -> None:
    spectrum = talkers().spectrum
    start = identity(spectrum, n_sources=2)
    found = run(spectrum, AuxIvaVariances("gauss"), n_iterations=0, demixing=start)
    assert torch.equal(found.demixing, start)
    assert torch.equal(found.separated, spectrum)


# Steering five sources from the identity often ends in a local minimum.
@pytest.mark.parametrize(("update", "n_sources"), [("ip", 2), ("iss", 2), ("ip", 3), ("iss", 3), ("ip", 5)])
def test_sources_that_come_and_go_are_told_apart(talkers: Any, update: str, n_sources: int) -> None:
    """Instantaneous mixtures of each bin: W A is a permutation and a scale, the same permutation in all bins."""
    _, mixing, spectrum = talkers(n_sources=n_sources, n_frames=1000, n_bins=8)
    found = run(spectrum, AuxIvaVariances("gauss"), n_iterations=60, update=update)
    shares = (found.demixing @ mixing).abs().square()[0]
    order = shares.sum(0).argmax(-1)
    assert sorted(order.tolist()) == list(range(n_sources))
    wanted = shares[:, torch.arange(n_sources), order]
    assert (10 * torch.log10(wanted / (shares.sum(-1) - wanted)) > 15).all()

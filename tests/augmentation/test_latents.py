"""The operations on latents against their definitions, and against numpy's SVD."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmentation.latents import (
    PERTURBATIONS,
    perturbation,
    principal_directions,
    replacement,
    spreads,
    utterance_vector,
)
from sepvae.errors import ConfigError

KINDS = tuple(PERTURBATIONS)
vectors = hnp.arrays(np.float64, (5,), elements=st.floats(-1e3, 1e3))


def some_vectors(n: int = 40, width: int = 6, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, width)) @ rng.standard_normal((width, width)) + 3


@given(own=vectors, other=vectors)
def test_replacement_brings_the_vector_of_the_target(own: np.ndarray, other: np.ndarray) -> None:
    latents = own + np.random.default_rng(0).standard_normal((7, 5))
    source = utterance_vector(latents)
    moved = latents + replacement(source, other)
    np.testing.assert_allclose(utterance_vector(moved), other, atol=1e-9)
    # What differs between the segments of the utterance stays.
    np.testing.assert_allclose(moved - moved.mean(0), latents - latents.mean(0), atol=1e-9)


@given(own=vectors, other=vectors, share=st.floats(0, 1))
def test_interpolation_is_between(own: np.ndarray, other: np.ndarray, share: float) -> None:
    np.testing.assert_allclose(own + replacement(own, other, share=share), (1 - share) * own + share * other, atol=1e-9)
    assert not replacement(own, own, share=share).any()
    assert not replacement(own, other, share=0.0).any()


def test_single_precision_own_vector_is_no_shift_at_all() -> None:
    vector = utterance_vector(np.random.default_rng(1).standard_normal((9, 4)).astype(np.float32))
    assert vector.dtype == np.float32
    assert not replacement(vector, vector).any()


def test_the_prior_draws_a_vector_towards_nothing() -> None:
    """The s-vector of the FHVAE: the maximum of log p(z2|μ2) + log p(μ2), found here on a grid."""
    latents = np.array([[1.0], [2.0], [4.5]])
    grid = np.linspace(-5, 5, 100_001)
    density = -((latents - grid) ** 2).sum(0) / (2 * 0.25) - grid**2 / 2
    assert utterance_vector(latents, prior=0.25)[0] == pytest.approx(grid[density.argmax()], abs=1e-4)


def test_principal_directions_are_those_of_the_svd() -> None:
    data = some_vectors()
    mean, std, directions = principal_directions(data)
    np.testing.assert_allclose(mean, data.mean(0))
    np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-12)
    _, values, rows = np.linalg.svd(data - data.mean(0), full_matrices=False)
    np.testing.assert_allclose(std, values / np.sqrt(len(data)), rtol=1e-9)
    np.testing.assert_allclose(np.abs((directions * rows).sum(1)), 1, atol=1e-9)
    np.testing.assert_allclose(((data - mean) @ directions.T).std(0), std, rtol=1e-9)
    assert all(row[np.abs(row).argmax()] > 0 for row in directions)


def test_fewer_utterances_than_latents_leave_a_whole_basis() -> None:
    _, std, directions = principal_directions(some_vectors(3, 6))
    np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-12)
    assert (std[2:] < 1e-6).all()
    assert (std[:2] > 0.1).all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_square_of_a_perturbation(kind: str, gamma: float) -> None:
    """E‖p‖² = γ² Σ σ_d²; 20 000 draws, five standard errors."""
    _, std, directions = principal_directions(some_vectors())
    spread = spreads(std, kind, n_directions=2)
    psi = np.random.default_rng(7).standard_normal((20_000, len(std)))
    norms = (perturbation(spread, directions, psi, gamma=gamma) ** 2).sum(1)
    expected = gamma**2 * (std[:2] if kind == "hard" else std).__pow__(2).sum()
    assert abs(norms.mean() - expected) < 5 * norms.std() / np.sqrt(len(norms))


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_perturbation_goes(kind: str) -> None:
    """Covariance Σ spread_d² e_d e_dᵀ: soft has that of the vectors themselves."""
    data = some_vectors()
    _, std, directions = principal_directions(data)
    psi = np.random.default_rng(3).standard_normal((200_000, len(std)))
    drawn = perturbation(spreads(std, kind, n_directions=2), directions, psi, gamma=1.0)
    along = (drawn @ directions.T).std(0)
    rms = np.full(6, np.sqrt((std**2).mean()))
    expected = {"soft": std, "hard": np.r_[std[:2], np.zeros(4)], "uniform": rms, "reversed": std[::-1]}[kind]
    np.testing.assert_allclose(along, expected, rtol=0.02, atol=1e-9)
    if kind == "soft":
        np.testing.assert_allclose(np.cov(drawn.T, bias=True), np.cov(data.T, bias=True), atol=0.02 * (std**2).sum())


@given(gamma=st.floats(0, 10), seed=st.integers(0, 99))
def test_strength_is_a_factor(gamma: float, seed: int) -> None:
    _, std, directions = principal_directions(some_vectors())
    psi = np.random.default_rng(seed).standard_normal(len(std))
    one = perturbation(std, directions, psi, gamma=1.0)
    np.testing.assert_allclose(perturbation(std, directions, psi, gamma=gamma), gamma * one)
    assert not perturbation(std, directions, psi, gamma=0.0).any()


def test_every_kind_is_an_augmentation_and_others_are_refused() -> None:
    assert set(PERTURBATIONS) <= set(AUGMENTATIONS)
    with pytest.raises(ConfigError, match=r"unknown perturbation 'sotf': did you mean 'soft'\? choose one of soft"):
        spreads(np.ones(3), "sotf", n_directions=1)

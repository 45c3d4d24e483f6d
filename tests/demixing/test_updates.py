"""Updates of demixing matrices: against a linear solve in each bin, and a descent of the objective of any sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.covariance import Observation, with_past
from sepvae.demixing.updates import (
    iterative_projection,
    iterative_source_steering,
    log_determinants,
    updates_with_past,
)
from sepvae.testing.updates import descends

Gaussian = Callable[..., Tensor]
every_update = pytest.mark.parametrize("update", UPDATES)
sizes = pytest.mark.parametrize("size", [2, 3, 4, 5])


def weigh(gaussian: Gaussian, *shape: int, seed: int = 5) -> Tensor:
    return torch.exp(gaussian(*shape, seed=seed, dtype=torch.float64))


def sweep_ip(demixing: Any, covariances: Any) -> Any:
    """Do what Ono 2011 prints, one bin and one source at a time."""
    found = demixing.copy()
    for batch, bin_ in np.ndindex(*found.shape[:2]):
        for place in range(found.shape[2]):
            matrix, covariance = found[batch, bin_], covariances[batch, bin_, place]
            vector = np.linalg.solve(matrix @ covariance, np.eye(len(matrix))[place])
            found[batch, bin_, place] = (vector / np.sqrt((vector.conj() @ covariance @ vector).real)).conj()
    return found


def sweep_iss(demixing: Any, covariances: Any) -> Any:
    """Do what Scheibler & Ono 2020 print, with wⱼᴴ V wₖ for the sums over frames."""
    found = demixing.copy()
    for batch, bin_ in np.ndindex(*found.shape[:2]):
        for place in range(found.shape[2]):
            matrix = found[batch, bin_]
            own, steps = matrix[place].copy(), np.zeros(len(matrix), dtype=complex)
            for row, covariance in enumerate(covariances[batch, bin_]):
                energy = (own @ covariance @ own.conj()).real
                steps[row] = 1 - energy**-0.5 if row == place else matrix[row] @ covariance @ own.conj() / energy
            found[batch, bin_] = matrix - steps[:, None] * own[None]
    return found


@sizes
@pytest.mark.parametrize("spherical", [False, True])
def test_projection_is_a_solve_in_each_bin(gaussian: Gaussian, size: int, spherical: bool) -> None:
    observation, demixing = Observation(gaussian(2, 3, size, 40)), gaussian(2, 3, size, size, seed=1)
    weights = weigh(gaussian, 2, 1 if spherical else 3, 40, size)
    found, _ = iterative_projection(demixing, demixing @ observation.spectrum, observation, weights)
    np.testing.assert_allclose(
        found.numpy(), sweep_ip(demixing.numpy(), observation.covariances(weights).numpy()), rtol=1e-7, atol=1e-9
    )


@sizes
@pytest.mark.parametrize("spherical", [False, True])
def test_steering_is_what_the_paper_prints(gaussian: Gaussian, size: int, spherical: bool) -> None:
    spectrum, demixing = gaussian(2, 3, size, 40), gaussian(2, 3, size, size, seed=1)
    observation, weights = Observation(spectrum), weigh(gaussian, 2, 1 if spherical else 3, 40, size)
    observation.noise = observation.noise * 1e8  # as much as would be seen if it were left out
    found, separated = iterative_source_steering(demixing, demixing @ spectrum, observation, weights)
    expected = sweep_iss(demixing.numpy(), observation.covariances(weights).numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(separated, found @ spectrum, rtol=1e-9, atol=1e-10)


@every_update
@given(size=st.integers(2, 5), n_frames=st.integers(1, 30), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_no_sweep_raises_the_objective(update: str, size: int, n_frames: int, seed: int) -> None:
    """Not even of a recording with fewer frames than channels."""
    descends(update, size=size, n_frames=n_frames, seed=seed)


@pytest.mark.parametrize("update", updates_with_past())
@given(size=st.integers(2, 3), n_taps=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_no_sweep_with_the_past_raises_the_objective(update: str, size: int, n_taps: int, seed: int) -> None:
    descends(update, size=size, n_frames=40, n_taps=n_taps, seed=seed)


@pytest.mark.parametrize("size", [2, 3])
def test_with_the_past_the_last_row_is_a_minimum(gaussian: Gaussian, size: int) -> None:
    """Its gradient V w − W⁻¹ e is zero, the filters of the past included."""
    spectrum = with_past(gaussian(1, 2, size, 60), delay=1, n_taps=2)
    observation, weights = Observation(spectrum), weigh(gaussian, 1, 2, 60, size)
    start = gaussian(1, 2, size, 3 * size, seed=1)
    found, _ = iterative_projection(start, start @ spectrum, observation, weights)
    covariance = observation.covariances(weights)[:, :, -1].numpy()
    for bin_ in range(2):
        vector = found[0, bin_, -1].numpy().conj()
        column = np.linalg.inv(found[0, bin_, :, :size].numpy())[:, -1]
        gradient = covariance[0, bin_] @ vector - np.concatenate([column, np.zeros(2 * size)])
        np.testing.assert_allclose(gradient, 0, atol=1e-10)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_determinants_are_those_of_numpy(gaussian: Gaussian, size: int) -> None:
    demixing = gaussian(3, 7, size, size)
    expected = np.linalg.slogdet(demixing.numpy())[1].sum(1)
    np.testing.assert_allclose(log_determinants(demixing).numpy(), expected, atol=1e-11)

"""Updates of demixing matrices: against a linear solve in each bin, and a descent of the objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.covariance import Observation, with_past
from sepvae.demixing.updates import (
    Update,
    iterative_projection,
    iterative_source_steering,
    log_determinants,
    updates_with_past,
)

Gaussian = Callable[..., Tensor]
every_update = pytest.mark.parametrize("update", UPDATES)
sizes = pytest.mark.parametrize("size", [2, 3, 4, 5])


def weigh(gaussian: Gaussian, *shape: int, seed: int = 5) -> Tensor:
    return torch.exp(gaussian(*shape, seed=seed, dtype=torch.float64))


def objective(demixing: Tensor, observation: Observation, weights: Tensor) -> Tensor:
    """Return Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W| of each bin."""
    covariances = observation.covariances(weights)
    quadratic: Tensor = torch.einsum("bfjc,bfjcd,bfjd->bf", demixing, covariances, demixing.conj()).real
    log_determinant: Tensor = torch.linalg.slogdet(demixing[..., : demixing.shape[2]]).logabsdet
    return quadratic - 2 * log_determinant


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


def check_descent(name: str, *, size: int, n_frames: int, n_taps: int = 0, seed: int = 0) -> None:
    """Three sweeps of an update do not raise the objective of any bin."""
    update: Update = UPDATES.resolve(name)

    def draw(*shape: int, offset: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed + offset), dtype=dtype)

    observation = Observation(with_past(draw(1, 3, size, n_frames), delay=2, n_taps=n_taps))
    demixing = draw(1, 3, size, size * (1 + n_taps), offset=1)
    separated = demixing @ observation.spectrum
    weights = torch.exp(draw(1, 3, n_frames, size, offset=2, dtype=torch.float64))
    for _ in range(3):
        before = objective(demixing, observation, weights)
        demixing, separated = update(demixing, separated, observation, weights)
        after = objective(demixing, observation, weights)
        assert (after <= before + (1e-9 if n_frames > 2 * size else 1e-6) * (1 + before.abs())).all()


def check_sweep(name: str, *, size: int = 3) -> None:
    """An update returns y = W x, keeps items of a batch apart, and leaves what it is given as it was."""
    update: Update = UPDATES.resolve(name)
    generator = torch.Generator().manual_seed(0)
    spectrum, demixing = (torch.randn(2, 3, size, n, generator=generator, dtype=torch.complex128) for n in (40, size))
    weights = torch.rand(2, 3, 40, size, generator=generator, dtype=torch.float64) + 0.1
    kept, separated = demixing.clone(), demixing @ spectrum
    found, changed = update(demixing, separated, Observation(spectrum), weights)
    torch.testing.assert_close(changed, found @ spectrum, rtol=1e-9, atol=1e-10)
    assert torch.equal(demixing, kept)
    assert torch.equal(separated, demixing @ spectrum)
    for item in range(2):
        one = slice(item, item + 1)
        alone, _ = update(demixing[one], separated[one], Observation(spectrum[one]), weights[one])
        torch.testing.assert_close(alone[0], found[item], rtol=1e-9, atol=1e-10)


def check_fixed_point(name: str, *, size: int) -> None:
    """White channels under flat variances are left as they are."""
    update: Update = UPDATES.resolve(name)
    n_frames = 32
    noise = torch.randn(1, 3, n_frames, size, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    spectrum = torch.linalg.qr(noise).Q.mT * n_frames**0.5
    eye = torch.eye(size, dtype=torch.complex128).expand(1, 3, size, size)
    weights = torch.ones(1, 1, n_frames, size, dtype=torch.float64)
    found, separated = update(eye, spectrum.clone(), Observation(spectrum), weights)
    torch.testing.assert_close(found, eye, atol=1e-8, rtol=0)
    torch.testing.assert_close(separated, spectrum, atol=1e-8, rtol=0)


def check_silent_bin(name: str, *, size: int, dtype: torch.dtype) -> None:
    """A bin without sound stays silent, and everything finite."""
    update: Update = UPDATES.resolve(name)
    spectrum = torch.randn(1, 2, size, 20, generator=torch.Generator().manual_seed(0), dtype=torch.complex128).to(dtype)
    spectrum[:, 0] = 0
    observation, demixing = Observation(spectrum), torch.eye(size, dtype=dtype).expand(1, 2, size, size)
    weights, separated = torch.ones(1, 1, 20, size, dtype=spectrum.real.dtype), spectrum
    for _ in range(4):
        demixing, separated = update(demixing, separated, observation, weights)
    assert torch.isfinite(torch.view_as_real(demixing)).all()
    assert torch.isfinite(log_determinants(demixing)).all()
    assert not separated[:, 0].any()


@every_update
@given(size=st.integers(2, 5), n_frames=st.integers(1, 30), seed=st.integers(0, 99))
def test_no_sweep_raises_the_objective(update: str, size: int, n_frames: int, seed: int) -> None:
    """Not even of a recording with fewer frames than channels."""
    check_descent(update, size=size, n_frames=n_frames, seed=seed)


@pytest.mark.parametrize("update", updates_with_past())
@given(size=st.integers(2, 3), n_taps=st.integers(1, 3), seed=st.integers(0, 99))
def test_no_sweep_with_the_past_raises_the_objective(update: str, size: int, n_taps: int, seed: int) -> None:
    check_descent(update, size=size, n_frames=40, n_taps=n_taps, seed=seed)


@every_update
def test_a_sweep_gives_matrices_and_what_they_separate(update: str) -> None:
    check_sweep(update)


@every_update
@pytest.mark.parametrize("size", [2, 3, 5])
def test_white_channels_and_flat_variances_are_left_as_they_are(update: str, size: int) -> None:
    check_fixed_point(update, size=size)


@every_update
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [2, 3])
def test_a_silent_bin_spoils_nothing(update: str, dtype: torch.dtype, size: int) -> None:
    check_silent_bin(update, size=size, dtype=dtype)


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

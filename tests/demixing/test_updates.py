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

from sepvae.demixing.covariance import Recording, with_past
from sepvae.demixing.updates import log_determinants, project, steer

Gaussian = Callable[..., Tensor]
sizes = pytest.mark.parametrize("size", [2, 3, 4, 5])


def weigh(gaussian: Gaussian, *shape: int, seed: int = 5) -> Tensor:
    return torch.exp(gaussian(*shape, seed=seed, dtype=torch.float64))


def objective(demixing: Tensor, recording: Recording, weights: Tensor) -> Tensor:
    """Return Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W| of each bin."""
    covariances = recording.covariances(weights)
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
    recording, demixing = Recording(gaussian(2, 3, size, 40)), gaussian(2, 3, size, size, seed=1)
    weights = weigh(gaussian, 2, 1 if spherical else 3, 40, size)
    before = demixing.clone()
    found = project(demixing, recording, weights)
    np.testing.assert_allclose(
        found.numpy(), sweep_ip(demixing.numpy(), recording.covariances(weights).numpy()), rtol=1e-7, atol=1e-9
    )
    assert torch.equal(demixing, before), "the matrices that came in stay as they are"


@sizes
@pytest.mark.parametrize("spherical", [False, True])
def test_steering_is_what_the_paper_prints(gaussian: Gaussian, size: int, spherical: bool) -> None:
    spectrum, demixing = gaussian(2, 3, size, 40), gaussian(2, 3, size, size, seed=1)
    recording, weights = Recording(spectrum), weigh(gaussian, 2, 1 if spherical else 3, 40, size)
    recording.noise = recording.noise * 1e8  # as much as would be seen if it were left out
    found, separated = steer(demixing, demixing @ spectrum, recording, weights)
    expected = sweep_iss(demixing.numpy(), recording.covariances(weights).numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(separated, found @ spectrum, rtol=1e-9, atol=1e-10)


@given(size=st.integers(2, 5), n_frames=st.integers(1, 30), seed=st.integers(0, 99), steered=st.booleans())
def test_no_sweep_raises_the_objective(gaussian: Gaussian, size: int, n_frames: int, seed: int, steered: bool) -> None:
    """Not even of a recording with fewer frames than channels."""
    spectrum, demixing = gaussian(1, 3, size, n_frames, seed=seed), gaussian(1, 3, size, size, seed=seed + 1)
    recording, weights = Recording(spectrum), weigh(gaussian, 1, 3, n_frames, size, seed=seed + 2)
    for _ in range(3):
        before = objective(demixing, recording, weights)
        if steered:
            demixing, _ = steer(demixing, demixing @ spectrum, recording, weights)
        else:
            demixing = project(demixing, recording, weights)
        after = objective(demixing, recording, weights)
        assert (after <= before + 1e-6 * (1 + before.abs())).all()


@given(size=st.integers(2, 3), n_taps=st.integers(1, 3), seed=st.integers(0, 99))
def test_no_sweep_with_the_past_raises_the_objective(gaussian: Gaussian, size: int, n_taps: int, seed: int) -> None:
    spectrum = with_past(gaussian(1, 3, size, 40, seed=seed), delay=2, n_taps=n_taps)
    recording, weights = Recording(spectrum), weigh(gaussian, 1, 3, 40, size, seed=seed + 2)
    demixing = gaussian(1, 3, size, size * (1 + n_taps), seed=seed + 1)
    for _ in range(3):
        before = objective(demixing, recording, weights)
        demixing = project(demixing, recording, weights)
        assert (objective(demixing, recording, weights) <= before + 1e-9 * (1 + before.abs())).all()


@pytest.mark.parametrize("size", [2, 3])
def test_with_the_past_the_last_row_is_a_minimum(gaussian: Gaussian, size: int) -> None:
    """Its gradient V w − W⁻¹ e is zero, the filters of the past included."""
    spectrum = with_past(gaussian(1, 2, size, 60), delay=1, n_taps=2)
    recording, weights = Recording(spectrum), weigh(gaussian, 1, 2, 60, size)
    found = project(gaussian(1, 2, size, 3 * size, seed=1), recording, weights)
    covariance = recording.covariances(weights)[:, :, -1].numpy()
    for bin_ in range(2):
        vector = found[0, bin_, -1].numpy().conj()
        column = np.linalg.inv(found[0, bin_, :, :size].numpy())[:, -1]
        gradient = covariance[0, bin_] @ vector - np.concatenate([column, np.zeros(2 * size)])
        np.testing.assert_allclose(gradient, 0, atol=1e-10)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("steered", [False, True])
def test_white_channels_and_flat_variances_are_left_as_they_are(gaussian: Gaussian, size: int, steered: bool) -> None:
    n_frames = 32
    orthogonal = torch.linalg.qr(gaussian(1, 3, n_frames, size)).Q.mT * n_frames**0.5
    recording = Recording(orthogonal)
    eye = torch.eye(size, dtype=torch.complex128).expand(1, 3, size, size)
    weights = torch.ones(1, 1, n_frames, size, dtype=torch.float64)
    if steered:
        found, separated = steer(eye, orthogonal, recording, weights)
        torch.testing.assert_close(separated, orthogonal, atol=1e-8, rtol=0)
    else:
        found = project(eye, recording, weights)
    torch.testing.assert_close(found, eye, atol=1e-8, rtol=0)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_determinants_are_those_of_numpy(gaussian: Gaussian, size: int) -> None:
    demixing = gaussian(3, 7, size, size)
    expected = np.linalg.slogdet(demixing.numpy())[1].sum(1)
    np.testing.assert_allclose(log_determinants(demixing).numpy(), expected, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("steered", [False, True])
def test_a_silent_bin_spoils_nothing(gaussian: Gaussian, dtype: torch.dtype, size: int, steered: bool) -> None:
    spectrum = gaussian(1, 2, size, 20).to(dtype)
    spectrum[:, 0] = 0
    recording, demixing = Recording(spectrum), torch.eye(size, dtype=dtype).expand(1, 2, size, size)
    weights = torch.ones(1, 1, 20, size, dtype=spectrum.real.dtype)
    separated = spectrum
    for _ in range(4):
        if steered:
            demixing, separated = steer(demixing, separated, recording, weights)
        else:
            demixing = project(demixing, recording, weights)
            separated = demixing @ spectrum
    assert torch.isfinite(torch.view_as_real(demixing)).all()
    assert torch.isfinite(log_determinants(demixing)).all()
    assert not separated[:, 0].any()

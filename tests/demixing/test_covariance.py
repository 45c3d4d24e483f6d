"""Weighted covariances of the microphones, against einsum; earlier frames as further channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.covariance import Observation, noise_floor, with_past

Gaussian = Callable[..., Tensor]


def weigh(gaussian: Gaussian, *shape: int) -> Tensor:
    return gaussian(*shape, seed=5, dtype=torch.float64).square() + 0.1


def plain(spectrum: Tensor, weights: Tensor) -> Any:
    """Return (1/N) Σ w (x xᴴ + noise · I) by einsum."""
    x, w = spectrum.numpy(), weights.expand(-1, spectrum.shape[1], -1, -1).numpy()
    noise = 1e-9 * (np.abs(x) ** 2).mean((2, 3)) + 1e-30
    found = np.einsum("bfnj,bfcn,bfdn->bfjcd", w, x, x.conj()) / x.shape[3]
    return found + np.einsum("bf,bfj,cd->bfjcd", noise, w.mean(2), np.eye(x.shape[2]))


@given(
    n_channels=st.integers(1, 7),
    n_sources=st.integers(1, 4),
    spherical=st.booleans(),
    kept=st.booleans(),
    seed=st.integers(0, 99),
)
def test_covariances_are_those_of_einsum(
    gaussian: Gaussian, n_channels: int, n_sources: int, spherical: bool, kept: bool, seed: int
) -> None:
    spectrum = gaussian(2, 3, n_channels, 9, seed=seed)
    weights = weigh(gaussian, 2, 1 if spherical else 3, 9, n_sources)
    found = Observation(spectrum, **({} if kept else {"most_bytes": 0})).covariances(weights)
    np.testing.assert_allclose(found.numpy(), plain(spectrum, weights), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found, found.mH, atol=1e-14, rtol=0)


def test_powers_are_those_of_sources_and_noise(gaussian: Gaussian) -> None:
    spectrum, demixing = gaussian(2, 3, 2, 8), gaussian(2, 3, 2, 2, seed=1)
    observation = Observation(spectrum)
    observation.noise = observation.noise * 1e9
    found = observation.powers(demixing, demixing @ spectrum)
    expected = np.abs(np.einsum("bfjc,bfcn->bjfn", demixing.numpy(), spectrum.numpy())) ** 2
    expected += np.einsum("bf,bfjc->bjf", observation.noise.numpy(), np.abs(demixing.numpy()) ** 2)[..., None]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_powers_and_covariances_tell_of_the_same_noise(gaussian: Gaussian) -> None:
    """The weighted mean of the powers of a source is wᴴ V w: what both updates rest on."""
    spectrum, demixing, weights = gaussian(1, 3, 2, 8), gaussian(1, 3, 2, 2, seed=1), weigh(gaussian, 1, 3, 8, 2)
    observation = Observation(spectrum)
    observation.noise = observation.noise * 1e9
    powers = observation.powers(demixing, demixing @ spectrum)
    by_powers = (powers * weights.permute(0, 3, 1, 2)).mean(-1)
    covariances = observation.covariances(weights)
    by_covariances = torch.einsum("bfjc,bfjcd,bfjd->bjf", demixing, covariances, demixing.conj()).real
    torch.testing.assert_close(by_powers, by_covariances, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("dtype", "share"), [(torch.complex64, 1e-6), (torch.complex128, 1e-9)])
def test_noise_is_a_share_of_the_power_of_its_bin(gaussian: Gaussian, dtype: torch.dtype, share: float) -> None:
    spectrum = gaussian(2, 3, 2, 8).to(dtype)
    expected = share * spectrum.abs().square().mean((2, 3))
    torch.testing.assert_close(noise_floor(spectrum), expected, rtol=1e-5, atol=0)
    assert (noise_floor(0 * spectrum) > 0).all()


def test_a_bin_without_sound_has_a_noise_that_follows_the_recording(gaussian: Gaussian) -> None:
    spectrum = gaussian(1, 3, 2, 8)
    spectrum[:, 0] = 0
    power = spectrum.abs().square().mean()
    for scale in (1e-6, 1, 1e6):
        noise = noise_floor(scale * spectrum)
        torch.testing.assert_close(noise[0, 0], 1e-19 * scale**2 * power, rtol=1e-4, atol=2e-30)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_microphones_that_hear_the_same_leave_covariances_invertible(gaussian: Gaussian, dtype: torch.dtype) -> None:
    one = gaussian(1, 2, 1, 50).to(dtype)
    spectrum = torch.cat([one, one], dim=2)
    covariances = Observation(spectrum).covariances(torch.ones(1, 2, 50, 1, dtype=spectrum.real.dtype))
    assert (torch.linalg.eigvalsh(covariances) > 0).all()


@given(delay=st.integers(1, 6), n_taps=st.integers(1, 4), n_frames=st.integers(1, 8))
def test_the_past_is_what_was_heard_before(gaussian: Gaussian, delay: int, n_taps: int, n_frames: int) -> None:
    spectrum = gaussian(1, 2, 3, n_frames)
    found = with_past(spectrum, delay=delay, n_taps=n_taps)
    assert found.shape == (1, 2, 3 * (1 + n_taps), n_frames)
    assert torch.equal(found[:, :, :3], spectrum)
    for tap in range(n_taps):
        for n in range(n_frames):
            then = n - delay - tap
            expected = spectrum[..., then] if then >= 0 else torch.zeros_like(spectrum[..., 0])
            assert torch.equal(found[:, :, 3 * (1 + tap) : 3 * (2 + tap), n], expected)

"""Images at a microphone: they add up to it, and forget the scale of the demixing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.covariance import with_past
from sepvae.demixing.projection_back import mixing_matrices, project_back, project_back_with_past

Gaussian = Callable[..., Tensor]


@given(size=st.integers(2, 5), seed=st.integers(0, 99), data=st.data())
def test_images_add_up_to_the_microphone(gaussian: Gaussian, size: int, seed: int, data: st.DataObject) -> None:
    spectrum, demixing = gaussian(2, 3, size, 6, seed=seed), gaussian(2, 3, size, size, seed=seed + 1)
    reference = data.draw(st.integers(0, size - 1))
    images = project_back(demixing, demixing @ spectrum, reference=reference)
    torch.testing.assert_close(images.sum(2), spectrum[:, :, reference], atol=1e-8, rtol=0)


def test_scale_and_phase_of_each_bin_of_each_source_do_not_matter(gaussian: Gaussian) -> None:
    spectrum, demixing = gaussian(1, 4, 3, 6), gaussian(1, 4, 3, 3, seed=1)
    other = gaussian(1, 4, 3, 1, seed=2) * demixing
    torch.testing.assert_close(
        project_back(other, other @ spectrum), project_back(demixing, demixing @ spectrum), atol=1e-10, rtol=0
    )


@pytest.mark.parametrize("reference", [0, 1])
def test_the_true_demixing_gives_what_the_microphone_hears_of_each(talkers: Any, reference: int) -> None:
    sources, mixing, spectrum = talkers()
    demixing = torch.linalg.inv(mixing)
    torch.testing.assert_close(mixing_matrices(demixing), mixing, atol=1e-9, rtol=0)
    images = project_back(demixing, demixing @ spectrum, reference=reference)
    torch.testing.assert_close(images, mixing[:, :, reference, :, None] * sources, atol=1e-8, rtol=1e-8)


@given(n_sources=st.integers(1, 3), n_taps=st.integers(0, 3), n_frames=st.integers(1, 30), seed=st.integers(0, 99))
def test_images_with_their_past_add_up_to_the_microphone(
    gaussian: Gaussian, n_sources: int, n_taps: int, n_frames: int, seed: int
) -> None:
    """Whatever the sources explain of it, and with fewer frames than filters too."""
    separated, heard = gaussian(2, 3, n_sources, n_frames, seed=seed), gaussian(2, 3, n_frames, seed=seed + 1)
    images = project_back_with_past(heard, separated, n_taps=n_taps)
    torch.testing.assert_close(images.sum(2), heard, rtol=0, atol=1e-8)


def test_images_of_sources_that_reverberate_are_found(gaussian: Gaussian) -> None:
    separated, filters = gaussian(1, 3, 2, 200), gaussian(1, 3, 3, 2, 1, seed=1)
    past = with_past(separated, delay=1, n_taps=2).view(1, 3, 3, 2, 200)
    expected = (filters * past).sum(2)
    images = project_back_with_past(expected.sum(2), separated, n_taps=2)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_images_with_the_past_of_silence_are_silent(gaussian: Gaussian, dtype: torch.dtype) -> None:
    separated, heard = gaussian(1, 3, 2, 20).to(dtype), gaussian(1, 3, 20, seed=1).to(dtype)
    separated[:, 0], heard[:, 0] = 0, 0
    images = project_back_with_past(heard, separated, n_taps=2)
    assert not images[:, 0].any()
    assert torch.isfinite(torch.view_as_real(images)).all()
    torch.testing.assert_close(images.sum(2), heard, rtol=0, atol=1e-4)

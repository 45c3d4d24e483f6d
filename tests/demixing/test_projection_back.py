"""Images at a microphone: they add up to it, and forget the scale of the demixing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.projection_back import mixing_matrices, project_back

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

"""Masks share every bin out: between 0 and 1, adding up to 1, whatever the magnitudes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.estimator.masks import MaskKind, apply_masks, make_masks

KINDS: list[MaskKind] = ["ratio", "wiener"]
# From below the smallest normal number of float32 to its largest.
LEVELS = [0.0, 1e-45, 1e-40, 1e-38, 1e-30, 1e-20, 1.0, 1e18, 1e20, 3e38]


def magnitudes(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(st.lists(st.sampled_from(LEVELS), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_shares_of_any_levels(kind: MaskKind, values: list[list[float]]) -> None:
    masks = make_masks(torch.tensor(values), kind=kind)
    assert torch.isfinite(masks).all()
    assert (masks >= 0).all()
    assert (masks <= 1).all()
    torch.testing.assert_close(masks.sum(0), torch.ones(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_sources", [1, 2, 5])
def test_shares_of_spectra(kind: MaskKind, n_sources: int) -> None:
    masks = make_masks(magnitudes(n_sources, 2, 30, 9), kind=kind)
    torch.testing.assert_close(masks.sum(0), torch.ones(2, 30, 9), atol=1e-6, rtol=0)


def test_ratio_and_wiener_are_their_definitions() -> None:
    values = magnitudes(3, 20, 9, dtype=torch.float64)
    torch.testing.assert_close(make_masks(values, kind="ratio"), values / values.sum(0))
    torch.testing.assert_close(make_masks(values, kind="wiener"), values.square() / values.square().sum(0))


@pytest.mark.parametrize("kind", KINDS)
def test_silent_bins_are_shared_equally(kind: MaskKind) -> None:
    assert make_masks(torch.zeros(4, 2), kind=kind).tolist() == [[0.25, 0.25]] * 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gain", [1e-30, 1e-3, 1e3, 1e30])
def test_masks_do_not_depend_on_the_level(kind: MaskKind, gain: float) -> None:
    values = magnitudes(3, 40) + 0.01
    torch.testing.assert_close(make_masks(gain * values, kind=kind), make_masks(values, kind=kind), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_follow_a_permutation_of_the_sources(kind: MaskKind) -> None:
    values, order = magnitudes(4, 10, 3), [2, 0, 3, 1]
    torch.testing.assert_close(make_masks(values[order], kind=kind), make_masks(values, kind=kind)[order])


@pytest.mark.parametrize("kind", KINDS)
def test_the_louder_source_has_the_larger_share(kind: MaskKind) -> None:
    values = magnitudes(2, 100)
    masks = make_masks(values, kind=kind)
    assert torch.equal(masks[0] > masks[1], values[0] > values[1])


def test_wiener_is_sharper_than_ratio() -> None:
    values = magnitudes(2, 100)
    assert (make_masks(values, kind="wiener").amax(0) >= make_masks(values, kind="ratio").amax(0) - 1e-7).all()


@pytest.mark.parametrize("kind", KINDS)
def test_masked_spectra_add_up_to_the_mixture(kind: MaskKind) -> None:
    mixture = torch.randn(30, 9, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    parts = apply_masks(mixture, make_masks(magnitudes(3, 30, 9), kind=kind))
    assert parts.shape == (3, 30, 9)
    torch.testing.assert_close(parts.sum(0), mixture, atol=1e-6, rtol=1e-6)


def test_masks_keep_the_phase_of_the_mixture() -> None:
    mixture = torch.randn(30, 9, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    parts = apply_masks(mixture, make_masks(magnitudes(2, 30, 9, dtype=torch.float64) + 0.1))
    torch.testing.assert_close(parts.angle(), mixture.angle().expand(2, -1, -1))


def test_unknown_masks_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown mask 'binary': choose one of ratio, wiener"):
        make_masks(torch.ones(2, 1), kind="binary")  # type: ignore[arg-type]

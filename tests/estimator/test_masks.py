"""Masks share every bin out: between 0 and 1, adding up to 1, whatever the magnitudes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.errors import ConfigError
from sepvae.estimator import MASKS
from sepvae.estimator.masks import MaskKind, apply_masks, make_masks
from sepvae.testing.masks import LEVELS, magnitudes, shares


@pytest.mark.parametrize("kind", MASKS)
@given(values=st.lists(st.lists(st.sampled_from(LEVELS), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_shares_of_any_levels(kind: MaskKind, values: list[list[float]]) -> None:
    shares(kind, torch.tensor(values))


def test_ratio_and_wiener_are_their_definitions() -> None:
    values = magnitudes(3, 20, 9, dtype=torch.float64)
    torch.testing.assert_close(make_masks(values, kind="ratio"), values / values.sum(0))
    torch.testing.assert_close(make_masks(values, kind="wiener"), values.square() / values.square().sum(0))


def test_wiener_is_sharper_than_ratio() -> None:
    values = magnitudes(2, 100)
    assert (make_masks(values, kind="wiener").amax(0) >= make_masks(values, kind="ratio").amax(0) - 1e-7).all()


def test_masks_keep_the_phase_of_the_mixture() -> None:
    mixture = torch.randn(30, 9, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    parts = apply_masks(mixture, make_masks(magnitudes(2, 30, 9, dtype=torch.float64) + 0.1))
    torch.testing.assert_close(parts.angle(), mixture.angle().expand(2, -1, -1))


def test_unknown_masks_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown mask 'binary': choose one of ratio, wiener"):
        make_masks(torch.ones(2, 1), kind="binary")  # type: ignore[arg-type]

"""What every mask keeps: its weights share each bin out, whatever the levels."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from sepvae.estimator.masks import apply_masks, make_masks
from sepvae.testing.contract import expect

# From below the smallest normal number of float32 to its largest.
LEVELS = (0.0, 1e-45, 1e-40, 1e-38, 1e-30, 1e-20, 1.0, 1e18, 1e20, 3e38)


def magnitudes(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return magnitudes from 0 to 1."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def shares(name: str, values: Tensor) -> Tensor:
    """Return the masks of some magnitudes (sources, …); AssertionError when they do not share each bin out."""
    masks = make_masks(values, kind=name)
    expect(masks.shape == values.shape, f"magnitudes {tuple(values.shape)} give masks {tuple(masks.shape)}")
    inside = bool(torch.isfinite(masks).all()) and bool(((masks >= 0) & (masks <= 1)).all())
    expect(inside, f"magnitudes {values.tolist()} give shares {masks.tolist()}")
    torch.testing.assert_close(masks.sum(0), torch.ones_like(masks[0]), atol=1e-6, rtol=0)
    return masks


def check_shares_of_any_levels(name: str) -> None:
    """Shares lie between 0 and 1 and add up to 1, for magnitudes of 0 up to the largest number of float32."""
    rng = random.Random(0)  # noqa: S311
    for _ in range(150):
        values: list[Sequence[float]] = [rng.choices(LEVELS, k=3) for _ in range(rng.randint(1, 4))]
        shares(name, torch.tensor(values))


def check_shares_of_spectra(name: str) -> None:
    """Shares of 1, 2 or 5 sources (sources, batch, frames, bins) add up to 1."""
    for n_sources in (1, 2, 5):
        shares(name, magnitudes(n_sources, 2, 30, 9))


def check_silent_bins_are_shared_equally(name: str) -> None:
    """Where all sources are silent, each has the same share."""
    found = shares(name, torch.zeros(4, 2)).tolist()
    expect(found == [[0.25, 0.25]] * 4, f"four silent sources have the shares {found}")


def check_masks_do_not_depend_on_the_level(name: str) -> None:
    """All magnitudes at another level have the same masks."""
    values = magnitudes(3, 40) + 0.01
    for gain in (1e-30, 1e-3, 1e3, 1e30):
        torch.testing.assert_close(shares(name, gain * values), shares(name, values), atol=1e-5, rtol=0)


def check_masks_follow_a_permutation_of_the_sources(name: str) -> None:
    """A source keeps its share wherever it stands."""
    values, order = magnitudes(4, 10, 3), [2, 0, 3, 1]
    torch.testing.assert_close(shares(name, values[order]), shares(name, values)[order])


def check_the_louder_source_has_the_larger_share(name: str) -> None:
    """Of two sources the louder one has more of a bin."""
    values = magnitudes(2, 100)
    masks = shares(name, values)
    wrong = (masks[0] > masks[1]) != (values[0] > values[1])
    expect(not wrong.any(), f"magnitudes {values[:, wrong].tolist()} have the shares {masks[:, wrong].tolist()}")


def check_masked_spectra_add_up_to_the_mixture(name: str) -> None:
    """What the masks make of a mixture adds up to it."""
    mixture = torch.randn(30, 9, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    parts = apply_masks(mixture, shares(name, magnitudes(3, 30, 9)))
    torch.testing.assert_close(parts.sum(0), mixture, atol=1e-6, rtol=1e-6)

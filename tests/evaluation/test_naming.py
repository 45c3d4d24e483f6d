"""Names for estimates that come in any order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sepvae.evaluation.naming import best_order

NAMES = ("ann", "bob", "cat")


def waves(seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(4000).astype(np.float32) for name in NAMES}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_is_found(order: tuple[int, ...]) -> None:
    references, noise = waves(), waves(1)
    estimates = {f"e{n}": references[NAMES[who]] + 0.5 * noise[NAMES[n]] for n, who in enumerate(order)}
    found = best_order(references, estimates)
    assert [order[place] for place in found] == [0, 1, 2]


@given(seed=st.integers(0, 99), gain=st.floats(1e-3, 1e3))
@settings(max_examples=5)
def test_levels_and_short_filters_do_not_matter(seed: int, gain: float) -> None:
    """A loud estimate of one is not the other, nor is one that arrives later."""
    references = waves(seed)
    others = list(reversed(references.values()))
    estimates = {str(n): gain**n * np.roll(wave, 7 * n) for n, wave in enumerate(others)}
    assert best_order(references, estimates) == [2, 1, 0]


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_an_estimate_of_nothing_takes_the_place_that_is_left(silent: int) -> None:
    references = waves()
    found = [references["cat"], references["ann"], references["bob"]]
    found[silent] = np.zeros_like(found[silent])
    order = best_order(references, dict(zip("xyz", found, strict=True)))
    assert order == [1, 2, 0]


def test_all_estimates_alike_have_some_order() -> None:
    references = waves()
    mixture = sum(references.values())
    assert sorted(best_order(references, dict.fromkeys("xyz", mixture))) == [0, 1, 2]  # type: ignore[arg-type]
    silence = np.zeros(4000, np.float32)
    assert sorted(best_order(references, dict.fromkeys("xyz", silence))) == [0, 1, 2]
    assert sorted(best_order(dict.fromkeys(NAMES, silence), references)) == [0, 1, 2]


def test_nothing_is_changed() -> None:
    references = waves()
    copies = {name: wave.copy() for name, wave in references.items()}
    best_order(references, copies)
    assert all(np.array_equal(references[name], copies[name]) for name in NAMES)

"""Random streams by name: the values are pinned, for a mixture drawn today must be drawn again in ten years."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sepvae.seeds import derive_seed, generator, torch_generator

NAMES = st.lists(st.text(max_size=5) | st.integers(), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("stream", "seed"),
    [((0, "mixture", 3), 3294799627824827051), ((1,), 4919923341562865044)],
)
def test_seeds_are_pinned(stream: tuple[Any, ...], seed: int) -> None:
    assert derive_seed(*stream) == seed


def test_streams_are_pinned() -> None:
    assert generator(0, "mixture", 3).integers(0, 1 << 40, 3).tolist() == [981621635884, 110704498516, 526431308911]
    assert torch_generator(0, "weights").initial_seed() == 8730110008906084551


def test_names_outside_ascii_are_pinned() -> None:
    """The key is ASCII, so that a newer Unicode table in Python changes nothing."""
    assert derive_seed(0, "đọc", "train") == 6270964374613877657


@given(root=st.integers(), names=NAMES, other=NAMES)
def test_streams_differ_by_name_alone(root: int, names: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert 0 <= derive_seed(root, *names) < 1 << 63
    assert (derive_seed(root, *names) == derive_seed(root, *other)) == (names == other)
    assert derive_seed(root, *names) != derive_seed(root + 1, *names)


def test_numbers_of_numpy_and_torch_name_the_same_stream() -> None:
    assert derive_seed(np.int64(5), np.int32(3), np.str_("a")) == derive_seed(5, 3, "a")
    assert derive_seed(0, torch.tensor(3)) == derive_seed(0, 3)  # type: ignore[arg-type]
    assert derive_seed(0, "3") != derive_seed(0, 3)


@pytest.mark.parametrize("name", [0.5, None, b"a", ("a",), np.float64(1)])
def test_other_types_are_refused(name: Any) -> None:
    with pytest.raises(TypeError):
        derive_seed(0, name)
    with pytest.raises(TypeError):
        derive_seed(name)


def test_global_generators_are_left_alone() -> None:
    np_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    generator(0, "a").random(5)
    torch.rand(5, generator=torch_generator(0, "a"))
    assert np.array_equal(np.random.get_state()[1], np_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_streams_do_not_depend_on_order() -> None:
    first = {name: generator(7, name).random() for name in ("a", "b")}
    assert first == {name: generator(7, name).random() for name in ("b", "a")}

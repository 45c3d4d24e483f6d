"""Directions of phones and voices, against spaces where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from sepvae.recipe.augmentation.latent_space import directions


def test_directions_of_two_factors_in_orthogonal_subspaces_are_orthogonal() -> None:
    rng = np.random.default_rng(0)
    phones, speakers = rng.integers(0, 4, 4000), rng.integers(0, 3, 4000)
    of_phones, of_speakers = rng.standard_normal((4, 5)), rng.standard_normal((3, 4))
    vectors = np.concatenate([of_phones[phones], of_speakers[speakers]], axis=1)
    names, one = directions(vectors, [f"p{number}" for number in phones])
    _, two = directions(vectors, [f"s{number}" for number in speakers])
    assert names == ["p0", "p1", "p2", "p3"]
    assert np.allclose(np.linalg.norm(one, axis=1), 1)
    assert np.abs(one @ two.T).max() < 0.15
    expected = of_phones - of_phones.mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(np.sum(one[:, :5] * expected, axis=1), 1, atol=0.02)


def test_rare_labels_have_no_direction() -> None:
    vectors = np.eye(12)[:, :3]
    names, found = directions(vectors, ["a"] * 5 + ["b"] * 4 + ["c"] * 3)
    assert names == ["a"]
    assert found.shape == (1, 3)
    names, found = directions(vectors, [str(number) for number in range(12)])
    assert names == []
    assert found.shape == (0, 3)


def test_opposites_point_in_opposite_directions() -> None:
    vectors = np.repeat([[1.0, 2.0], [3.0, 2.0]], 6, axis=0)
    _, (one, two) = directions(vectors, ["a"] * 6 + ["b"] * 6)
    assert one == pytest.approx([-1, 0])
    assert two == pytest.approx([1, 0])

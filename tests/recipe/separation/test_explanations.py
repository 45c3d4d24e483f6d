"""What the page tells of a mixture in a room."""

from __future__ import annotations

import numpy as np

from sepvae.recipe.separation.explanations import in_order


def test_filters_follow_the_order_of_the_estimates() -> None:
    demixing = np.arange(12).reshape(2, 3, 2)
    found = in_order({"demixing": demixing, "objective": np.arange(4.0)}, [2, 0, 1])
    np.testing.assert_array_equal(found["demixing"], demixing[:, [2, 0, 1]])
    np.testing.assert_array_equal(found["objective"], np.arange(4.0))


def test_what_has_no_filters_is_left_as_it_is() -> None:
    assert in_order({}, [1, 0]) == {}

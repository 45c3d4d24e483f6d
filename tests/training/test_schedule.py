"""Learning rates: constant, and one cycle that rises, falls, and never jumps."""

from __future__ import annotations

import numpy as np
import pytest

from sepvae.training.config import OptimiserConfig
from sepvae.training.loop import learning_rate


def test_learning_rate_schedules() -> None:
    constant = OptimiserConfig(schedule="constant", learning_rate=2.0)
    assert {learning_rate(constant, step, 100) for step in range(100)} == {2.0}
    cycle = [learning_rate(OptimiserConfig(learning_rate=2.0), step, 1000) for step in range(1000)]
    peak = int(np.argmax(cycle))
    assert cycle[peak] == pytest.approx(2.0, rel=1e-4)
    assert peak == pytest.approx(300, abs=2)
    assert (np.diff(cycle[:peak]) > 0).all()
    assert (np.diff(cycle[peak:]) < 0).all()
    assert cycle[0] == pytest.approx(0.08, rel=0.01)
    assert cycle[-1] == pytest.approx(0, abs=1e-9)
    # No jump where the rise meets the fall.
    assert float(np.abs(np.diff(cycle)).max()) < 0.02


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_schedules_are_finite(total: int) -> None:
    assert all(0 <= learning_rate(OptimiserConfig(), step, total) <= 1e-3 for step in range(total))

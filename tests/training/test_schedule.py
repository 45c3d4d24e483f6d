"""Learning rates: constant, and one cycle that rises, falls, and never jumps."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from sepvae.training.config import OptimiserConfig
from sepvae.training.loop import learning_rate


def test_a_constant_rate_is_constant() -> None:
    constant = OptimiserConfig(schedule="constant", learning_rate=2.0)
    assert {learning_rate(constant, step, 100) for step in range(100)} == {2.0}


@pytest.mark.parametrize(("schedule", "top"), [("one_cycle", 300), ("cosine", 30)])
def test_rates_rise_to_a_peak_and_fall_to_nothing(schedule: Literal["one_cycle", "cosine"], top: int) -> None:
    config = OptimiserConfig(schedule=schedule, learning_rate=2.0)
    rates = [learning_rate(config, step, 1000) for step in range(1000)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(2.0, rel=1e-4)
    assert peak == pytest.approx(top, abs=2)
    assert (np.diff(rates[:peak]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[0] == pytest.approx(0.08, rel=0.1)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    # No jump where the rise meets the fall.
    assert abs(rates[peak + 1] - rates[peak]) < 0.02


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_schedules_are_finite(total: int) -> None:
    assert all(0 <= learning_rate(OptimiserConfig(), step, total) <= 1e-3 for step in range(total))

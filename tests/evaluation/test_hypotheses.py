"""Claims: supported, contradicted or undecided as the scores have it, and corrected for their number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sepvae.evaluation.hypotheses import Claim, Direction, check_claims
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import holm, paired_differences


def rows(means: dict[str, float], *, n: int = 12, spread: float = 0.3) -> list[ScoreRow]:
    rng = np.random.default_rng(0)
    return [
        ScoreRow(system, f"item{i}", source, {"si_sdr": mean + float(rng.normal(0, spread))}, {})
        for system, mean in means.items()
        for i in range(n)
        for source in ("a", "b")
    ]


def claim(direction: Direction, *others: str, margin: float = 0.5) -> Claim:
    return Claim("text", "x", others, "si_sdr", direction, margin)


@pytest.mark.parametrize(
    ("difference", "direction", "verdict"),
    [
        (1.0, "greater", "supported"),
        (1.0, "less", "contradicted"),
        (1.0, "equal", "contradicted"),
        (-1.0, "less", "supported"),
        (-1.0, "equal", "contradicted"),
        (0.0, "greater", "undecided"),
        (0.0, "equal", "supported"),
        (0.5, "equal", "undecided"),
    ],
)
def test_verdicts_follow_the_scores(difference: float, direction: Direction, verdict: str) -> None:
    (found,) = check_claims(rows({"x": difference, "y": 0.0}), [claim(direction, "y")])
    assert found.verdict == verdict
    assert found.mean_difference == pytest.approx(difference, abs=0.25)
    assert found.n_pairs == 12


def test_the_best_of_several_must_beat_each() -> None:
    scores = rows({"x": 2.0, "y": 0.0, "z": 1.95})
    assert check_claims(scores, [claim("greater", "y")])[0].verdict == "supported"
    found = check_claims(scores, [claim("greater", "y", "z")])[0]
    assert (found.verdict, found.other) == ("undecided", "z")
    beaten = check_claims(rows({"x": 2.0, "y": 0.0, "z": 3.0}), [claim("greater", "y", "z")])[0]
    assert (beaten.verdict, beaten.other) == ("contradicted", "z")


def test_a_contradicted_claim_shows_the_system_that_contradicts_it() -> None:
    """And not the one of which least is known, whose difference would stand beside the p-value of another."""
    scores = rows({"x": 2.0, "z": 3.0}) + rows({"y": 0.0}, n=3)
    (found,) = check_claims(scores, [claim("greater", "y", "z")])
    assert (found.verdict, found.other, found.n_pairs) == ("contradicted", "z", 12)
    assert found.mean_difference == pytest.approx(-1, abs=0.25)


def test_few_items_decide_nothing() -> None:
    (found,) = check_claims(rows({"x": 9.0, "y": 0.0}, n=5), [claim("greater", "y")])
    assert (found.verdict, found.p_for) == ("undecided", None)
    assert check_claims(rows({"x": 1.0}), [claim("greater", "y")])[0].n_pairs == 0


def test_p_values_are_corrected_over_the_claims() -> None:
    scores = rows({"x": 0.3, "y": 0.0, "z": 0.05})
    alone = [check_claims(scores, [claim("greater", other)])[0].p_for for other in ("y", "z")]
    together = [test.p_for for test in check_claims(scores, [claim("greater", "y"), claim("greater", "z")])]
    assert together == holm([p for p in alone if p is not None])


def test_differences_are_paired_by_item_and_source() -> None:
    scores = [
        ScoreRow("x", "1", "a", {"si_sdr": 3.0}, {}),
        ScoreRow("x", "1", "b", {"si_sdr": math.nan}, {"si_sdr": "silent_estimate"}),
        ScoreRow("y", "1", "a", {"si_sdr": 1.0}, {}),
        ScoreRow("y", "1", "b", {"si_sdr": 7.0}, {}),
        ScoreRow("x", "2", "a", {"si_sdr": 5.0}, {}),
    ]
    assert [part.tolist() for part in paired_differences(scores, "x", "y", "si_sdr")] == [[2.0], [2.0]]

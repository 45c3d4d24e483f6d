"""Systems run from several seeds: their scores are averaged first, and their spread is told."""

from __future__ import annotations

import math

import pytest

from sepvae.evaluation.failures import UNPROCESSED, count_failures
from sepvae.evaluation.hypotheses import Claim, check_claims
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.runs import add_seeds, average_runs
from sepvae.evaluation.statistics import Summary, paired_differences, summarise

RUNS = {"vae": "vae", "vae-seed1": "vae", "mixture": "mixture"}


def rows(system: str, *items: tuple[float | str, ...], source: str = "a") -> list[ScoreRow]:
    """Return rows of items 0, 1, … with a value of each measure, or a reason in place of one."""
    found = []
    for number, values in enumerate(items):
        named = dict(zip(("si_sdr", "stoi"), values, strict=False))
        numbers = {name: math.nan if isinstance(value, str) else value for name, value in named.items()}
        reasons = {name: value for name, value in named.items() if isinstance(value, str)}
        found.append(ScoreRow(system, f"item{number}", source, numbers, reasons))
    return found


def summary(scores: list[ScoreRow], runs: dict[str, str] = RUNS) -> dict[str, dict[str, Summary]]:
    of_runs = count_failures(scores, runs=runs)
    averaged = average_runs(of_runs, runs)
    return add_seeds(summarise(averaged.rows, failed=averaged.failed), of_runs.rows, runs)


def test_two_seeds_by_hand() -> None:
    """The rows are means of two; the means of the seeds are 7 and 7 dB, which is no spread, and 0.5 and 0.7."""
    scores = [
        *rows("vae", (10.0, 0.4), (4.0, 0.6)),
        *rows("vae-seed1", (6.0, 0.8), (8.0, 0.6)),
        *rows("mixture", (0.0, 0.1), (1.0, 0.1)),
    ]
    averaged = average_runs(count_failures(scores), RUNS).rows
    assert [(row.system, row.item, row.values["si_sdr"]) for row in averaged] == [
        ("vae", "item0", 8.0),
        ("vae", "item1", 6.0),
        ("mixture", "item0", 0.0),
        ("mixture", "item1", 1.0),
    ]
    found = summary(scores)
    sdr, stoi = found["vae"]["si_sdr"], found["vae"]["stoi"]
    assert (sdr["mean"], sdr["median"], sdr["n_total"], sdr["n_valid"], sdr["seeds"]) == (7.0, 7.0, 2, 2, 2)
    assert sdr["seed_std"] == 0.0
    assert stoi["mean"] == pytest.approx(0.6)
    assert stoi["seed_std"] == pytest.approx(math.sqrt(0.02))
    # The interval is over the items: what seeds average out is not in it.
    assert sdr["ci95"] == [6.0, 8.0]
    assert paired_differences(averaged, "vae", "mixture", "si_sdr").of_items.tolist() == [8.0, 5.0]


def test_one_seed_has_no_spread_and_its_rows_are_left_alone() -> None:
    scores = rows("mixture", (0.3,), ("silent_reference",))
    averaged = average_runs(count_failures(scores), RUNS)
    assert averaged.rows[0] == scores[0]
    assert averaged.rows[1].reasons == scores[1].reasons
    found = summary(scores)["mixture"]["si_sdr"]
    assert found["seeds"] == 1
    assert "seed_std" not in found


def test_a_failure_of_one_seed_counts_before_the_mean() -> None:
    """The silent estimate is worth 1, the mixture's, or −3, the worst of the system, which another seed has."""
    scores = [*rows("vae", ("silent_estimate",), (9.0,)), *rows("vae-seed1", (5.0,), (7.0,))]
    mixed = rows(UNPROCESSED, (1.0,), (0.0,))
    averaged = average_runs(count_failures([*scores, *mixed], runs=RUNS), RUNS)
    assert [row.values["si_sdr"] for row in averaged.rows] == [3.0, 8.0]
    assert averaged.failed == {("vae", "item0", "a", "si_sdr")}
    found = summary([*scores, *mixed])["vae"]["si_sdr"]
    assert (found["n_valid"], found["n_failed"], found["n_total"]) == (1, 1, 2)
    # The means of the seeds are (1 + 9) / 2 and (5 + 7) / 2.
    assert found["seed_std"] == pytest.approx(math.sqrt(0.5))
    worse = [*rows("vae", ("silent_estimate",), (9.0,)), *rows("vae-seed1", (5.0,), (-3.0,)), *mixed]
    assert average_runs(count_failures(worse, runs=RUNS), RUNS).rows[0].values["si_sdr"] == (-3.0 + 5.0) / 2


def test_what_no_seed_has_a_value_for_has_none_and_its_reason() -> None:
    scores = [*rows("vae", ("silent_reference",), (2.0,)), *rows("vae-seed1", ("silent_reference",), ("infinite",))]
    first, second = average_runs(count_failures(scores, runs=RUNS), RUNS).rows
    assert math.isnan(first.values["si_sdr"])
    assert first.reasons == {"si_sdr": "silent_reference"}
    assert second.values["si_sdr"] == 2.0
    # A seed without any value has no mean, and then there is no spread.
    assert summary(scores)["vae"]["si_sdr"]["seed_std"] is None


def test_a_claim_rests_on_the_fewest_seeds_of_those_that_draw() -> None:
    scores = [row for system in ("x", "y", "z", "mixture") for row in rows(system, *[(1.0,)] * 8)]

    def seeds_of(*others: str) -> int | None:
        claim = Claim("text", "x", others, "si_sdr", "greater")
        return check_claims(scores, [claim], seeds={"x": 4, "y": 2, "z": 1})[0].seeds

    assert (seeds_of("y"), seeds_of("y", "z"), seeds_of("mixture")) == (2, 1, 4)
    assert check_claims(scores, [Claim("text", "mixture", ("y",), "si_sdr", "less")])[0].seeds is None

"""What a failed estimate counts: the worse of the mixture's score and the system's own worst, everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.evaluation.contract import Description
from sepvae.evaluation.failures import UNPROCESSED, count_failures
from sepvae.evaluation.hypotheses import Claim, check_claims
from sepvae.evaluation.measures import score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import compare_systems, paired_differences, summarise

RATE = 8000


def row(system: str, item: str, value: float | str, measure: str = "si_sdr") -> ScoreRow:
    """Return a row with a value, or with a reason in place of one."""
    if isinstance(value, str):
        return ScoreRow(system, item, "female", {measure: math.nan}, {measure: value})
    return ScoreRow(system, item, "female", {measure: value}, {})


def rows(system: str, values: list[float | str], measure: str = "si_sdr") -> list[ScoreRow]:
    return [row(system, f"item{number}", value, measure) for number, value in enumerate(values)]


def test_silence_in_five_of_ten_does_not_keep_the_mean() -> None:
    """The example of a system that gives up on half of the mixtures: its mean was 10, and is 5."""
    mixed = rows(UNPROCESSED, [0.0] * 10)
    system = rows("vae", [10.0] * 5 + ["silent_estimate"] * 5)
    counted = count_failures([*system, *mixed])
    summary = summarise(counted.rows, failed=counted.failed)
    assert set(summary) == {"vae"}
    found = summary["vae"]["si_sdr"]
    assert (found["mean"], found["median"]) == (5.0, 5.0)
    assert (found["n_valid"], found["n_failed"], found["n_total"]) == (5, 5, 10)


def test_the_own_worst_counts_where_it_is_below_the_mixture() -> None:
    counted = count_failures([*rows("vae", [3.0, -7.0, "not_finite"]), *rows(UNPROCESSED, [0.0, 0.0, 1.0])])
    assert [one.values["si_sdr"] for one in counted.rows] == [3.0, -7.0, -7.0]
    assert counted.failed == {("vae", "item2", "female", "si_sdr")}


def test_of_a_measure_whose_lower_values_are_better_the_highest_is_the_worst() -> None:
    known = {"lsd": Description("LSD", "dB", 1, "lower")}
    scores = [*rows("vae", [3.0, "silent_estimate"], "lsd"), *rows(UNPROCESSED, [9.0, 9.0], "lsd")]
    assert count_failures(scores, known=known).rows[1].values["lsd"] == 9.0
    # By a measure that nobody describes neither end is the worse one.
    assert math.isnan(count_failures(scores).rows[1].values["lsd"])


def test_what_the_machine_spoilt_is_no_failure_of_the_system() -> None:
    for reason in ("out_of_memory", "process_killed"):
        counted = count_failures([*rows("vae", [3.0, reason]), *rows(UNPROCESSED, [0.0, 0.0])])
        assert not counted.failed and math.isnan(counted.rows[1].values["si_sdr"])


@pytest.mark.parametrize(
    ("reason", "of_mixture"),
    [
        ("silent_reference", "silent_reference"),
        ("not_finite", "not_finite"),
        ("pesq_not_installed", "pesq_not_installed"),
        ("one_source", "one_source"),
        ("infinite", 0.0),
    ],
)
def test_what_is_not_the_system_s_fault_counts_nothing(reason: str, of_mixture: float | str) -> None:
    counted = count_failures([*rows("vae", [5.0, reason]), *rows(UNPROCESSED, [0.0, of_mixture])])
    assert counted.failed == frozenset()
    assert counted.rows == rows("vae", [5.0, reason])


def test_the_mixture_that_has_no_artifacts_excuses_nobody() -> None:
    scores = [*rows("vae", [8.0, "silent_estimate"]), *rows(UNPROCESSED, ["mixture_has_no_artifacts"] * 2)]
    assert count_failures(scores).rows[1].values["si_sdr"] == 8.0
    nothing = [*rows("vae", ["silent_estimate"]), *rows(UNPROCESSED, ["mixture_has_no_artifacts"])]
    assert count_failures(nothing).rows == nothing[:1]


def test_another_floor_stays_in_the_table() -> None:
    counted = count_failures([*rows("vae", ["silent_estimate"]), *rows("mixture", [1.5])], floor="mixture")
    assert [one.values["si_sdr"] for one in counted.rows] == [1.5, 1.5]


def test_tests_and_claims_count_failures_too() -> None:
    """A system that is 1 dB better where it does not fail, and gives up on half, is not the better one."""
    better: list[float | str] = [6.0 + 0.1 * n for n in range(10)] + ["silent_estimate"] * 10
    plain: list[float | str] = [5.0 + 0.1 * n for n in range(10)] + [5.0 + 0.01 * n for n in range(10)]
    scores = [*rows("a", better), *rows("b", plain), *rows(UNPROCESSED, [0.0] * 20)]
    claim = Claim("a is better", "a", ("b",), "si_sdr", "greater")
    assert check_claims(scores, [claim])[0].verdict == "supported"
    counted = count_failures(scores).rows
    assert check_claims(counted, [claim])[0].verdict != "supported"
    assert paired_differences(counted, "a", "b", "si_sdr").of_items.size == 20
    assert compare_systems(counted)[0].n_pairs == 20


@given(
    st.lists(st.one_of(st.floats(-30, 30), st.sampled_from(["silent_estimate", "not_finite"])), min_size=1, max_size=9),
    st.floats(-5, 5),
)
def test_failing_never_pays(values: list[float | str], floor: float) -> None:
    """Whatever a failed estimate counts, no estimate of the system counts less, nor does the mixture."""
    scores = [*rows("vae", values), *rows(UNPROCESSED, [floor] * len(values))]
    counted = count_failures(scores)
    own = [value for value in values if not isinstance(value, str)]
    for value, found in zip(values, counted.rows, strict=True):
        expected = min([floor, *own]) if isinstance(value, str) else value
        assert found.values["si_sdr"] == expected and not found.reasons
    summary = summarise(counted.rows, failed=counted.failed)["vae"]["si_sdr"]
    assert (summary["n_valid"], summary["n_failed"]) == (len(own), len(values) - len(own))
    if own:
        assert summary["mean"] is not None and summary["mean"] <= np.mean(own) + 1e-9


@pytest.mark.parametrize("failed", [np.zeros(RATE), np.full(RATE, np.nan)], ids=["silent", "nan"])
def test_real_scores_of_an_estimate_that_failed_are_those_of_the_mixture(failed: np.ndarray) -> None:  # type: ignore[type-arg]
    random = np.random.default_rng(0)
    one, two, artifacts = random.standard_normal((3, RATE))
    references = {"female": one, "male": two}
    estimates = {"vae": {"female": one + 0.1 * artifacts, "male": failed}}
    found = score_systems(
        references=references,
        estimates=estimates,
        mixture=one + two,
        sample_rate=RATE,
        item="m0",
        measures=["si_sdr", "si_sdr_improvement", "sdr_bsseval_v3_512", "sar_bsseval_v3_512"],
        floor=UNPROCESSED,
    )
    assert [(row.system, row.source) for row in found] == [
        (system, source) for system in ("vae", UNPROCESSED) for source in ("female", "male")
    ]
    mixture, counted = found[3], count_failures(found)
    male = counted.rows[1]
    assert male.values["si_sdr"] == mixture.values["si_sdr"]
    assert male.values["sdr_bsseval_v3_512"] == mixture.values["sdr_bsseval_v3_512"]
    assert male.values["si_sdr_improvement"] == 0.0
    assert male.values["sar_bsseval_v3_512"] == counted.rows[0].values["sar_bsseval_v3_512"]
    assert len(counted.rows) == 2 and not male.reasons

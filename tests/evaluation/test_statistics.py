"""Summaries and tests between systems against hand-computed cases, scipy, and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sepvae import seeds
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import compare_systems, holm, summarise


def make_rows(system: str, values: dict[str, dict[str, float]], measure: str = "sdr") -> list[ScoreRow]:
    """Rows of {item: {source: value}}; NaN gets a reason."""
    return [
        ScoreRow(system, item, source, {measure: value}, {measure: "too_short"} if math.isnan(value) else {})
        for item, by_source in values.items()
        for source, value in by_source.items()
    ]


def one_source(system: str, values: list[float]) -> list[ScoreRow]:
    return make_rows(system, {f"item{number}": {"male": value} for number, value in enumerate(values)})


def test_mean_median_and_counts() -> None:
    rows = make_rows("vae", {"a": {"male": 1.0, "female": 3.0}, "b": {"male": math.nan, "female": 8.0}})
    summary = summarise(rows)["vae"]["sdr"]
    assert (summary["mean"], summary["median"]) == (4.0, 3.0)
    assert (summary["n_valid"], summary["n_total"]) == (3, 4)
    low, high = summary["ci95"]
    assert low == 2.0  # item a twice
    assert high == 8.0  # item b twice


def test_nothing_valid_is_none_and_not_a_number() -> None:
    summary = summarise(one_source("vae", [math.nan, math.nan]))["vae"]["sdr"]
    assert summary == {"mean": None, "median": None, "ci95": [None, None], "n_valid": 0, "n_failed": 0, "n_total": 2}
    one = summarise(one_source("vae", [1.0, math.nan]))["vae"]["sdr"]
    assert one == {"mean": 1.0, "median": 1.0, "ci95": [None, None], "n_valid": 1, "n_failed": 0, "n_total": 2}
    assert summarise([]) == {}


def test_summaries_follow_the_seed_and_not_what_else_is_summarised() -> None:
    values = seeds.generator(0, "values").standard_normal(20).tolist()
    rows = one_source("vae", values)
    alone = summarise(rows)["vae"]["sdr"]
    assert summarise(one_source("nmf", values) + rows)["vae"]["sdr"] == alone
    assert summarise(rows, seed=1)["vae"]["sdr"]["ci95"] != alone["ci95"]


def test_measures_that_only_some_rows_have_are_counted_there() -> None:
    rows = [*one_source("vae", [1.0, 2.0]), *make_rows("vae", {"c": {"male": 5.0}}, "stoi")]
    summary = summarise(rows)["vae"]
    assert (summary["sdr"]["n_total"], summary["stoi"]["n_total"]) == (2, 1)


def test_the_interval_is_that_of_the_normal_theory_for_many_items() -> None:
    values = seeds.generator(0, "many").standard_normal(400)
    low, high = summarise(one_source("vae", values.tolist()))["vae"]["sdr"]["ci95"]
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_interval_covers_the_truth_although_sources_of_an_item_are_dependent() -> None:
    generator = seeds.generator(0, "coverage")
    covered = {"items": 0, "rows": 0}
    for _ in range(200):
        # The two sources of an item share all of their luck: 20 rows are worth 10.
        luck = generator.standard_normal(10)
        rows = make_rows("vae", {str(item): {"a": value, "b": value} for item, value in enumerate(luck)})
        unclustered = make_rows("vae", {f"{item}{s}": {"a": luck[item]} for item in range(10) for s in "ab"})
        for name, some in (("items", rows), ("rows", unclustered)):
            low, high = summarise(some)["vae"]["sdr"]["ci95"]
            covered[name] += low < 0 < high  # type: ignore[operator]
    # Percentile intervals of ten items are a little narrow; those that ignore the items far too narrow.
    assert 0.84 < covered["items"] / 200 < 0.98
    assert covered["rows"] / 200 < 0.84


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, then never falling: Holm 1979's steps.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7, 0.9]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_nothing_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for before, after in zip(p_values, corrected, strict=True):
        assert before <= after <= min(1.0, len(p_values) * before)
    ordered = [corrected[index] for index in np.argsort(p_values, kind="stable")]
    assert ordered == sorted(ordered)


def test_the_test_is_scipys() -> None:
    generator = seeds.generator(0, "wilcoxon")
    a, b = generator.standard_normal((2, 12))
    (comparison,) = compare_systems(one_source("a", a.tolist()) + one_source("b", b.tolist()))
    assert (comparison.system_a, comparison.system_b, comparison.n_pairs) == ("a", "b", 12)
    assert comparison.p_value == comparison.p_holm == scipy.stats.wilcoxon(a, b, method="exact").pvalue
    assert comparison.median_difference == pytest.approx(np.median(a - b))
    ranks = scipy.stats.rankdata(abs(a - b))
    assert comparison.rank_biserial == pytest.approx((ranks[a > b].sum() - ranks[a < b].sum()) / ranks.sum())


def test_ties_use_the_normal_approximation() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0]
    (comparison,) = compare_systems(one_source("a", a) + one_source("b", b))
    assert comparison.p_value == scipy.stats.wilcoxon(a, b, method="approx").pvalue
    assert comparison.rank_biserial == 1.0


def test_each_measure_is_a_family_of_all_pairs_of_systems() -> None:
    generator = seeds.generator(0, "family")
    base = generator.standard_normal(10)
    rows = [
        row
        for measure in ("sdr", "stoi")
        for system, shift in (("a", 0.0), ("b", 0.3), ("c", 3.0))
        for row in make_rows(
            system, {str(i): {"x": base[i] + shift + 0.5 * generator.standard_normal()} for i in range(10)}, measure
        )
    ]
    comparisons = compare_systems(rows, ["stoi", "sdr"])
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert [(c.measure, c.system_a, c.system_b) for c in comparisons] == [
        (measure, *pair) for measure in ("stoi", "sdr") for pair in pairs
    ]
    for family in (comparisons[:3], comparisons[3:]):
        assert [c.p_holm for c in family] == holm([c.p_value for c in family if c.p_value is not None])


def test_pairs_are_item_means_over_the_sources_that_both_have() -> None:
    items = [str(number) for number in range(8)]
    a = {item: {"male": number + 0.1 * number**2, "female": 100.0} for number, item in enumerate(items, start=1)}
    b = {item: {"male": 0.0, "female": math.nan} for item in items}
    b["7"]["male"] = math.nan
    (comparison,) = compare_systems(make_rows("a", a) + make_rows("b", b))
    assert comparison.n_pairs == 7  # the last item has no source in common
    assert comparison.median_difference == pytest.approx(4 + 1.6)  # and the females do not count
    assert comparison.p_value == pytest.approx(2 / 2**7)


@pytest.mark.parametrize(
    ("b", "reason", "n_pairs", "effect"),
    [
        ([math.nan] * 6, "no_pairs", 0, None),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "no_differences", 6, 0.0),
        ([0.0, 1.0, 2.0, 3.0, 4.5, 6.0], "too_few_pairs", 6, 1.0),
    ],
)
def test_what_cannot_be_tested_has_a_reason_and_no_p(
    b: list[float], reason: str, n_pairs: int, effect: float | None
) -> None:
    a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    (comparison,) = compare_systems(one_source("a", a) + one_source("b", b))
    assert comparison.reason == reason
    assert (comparison.p_value, comparison.p_holm) == (None, None)
    assert (comparison.n_pairs, comparison.rank_biserial) == (n_pairs, effect)


def test_what_cannot_be_tested_is_no_member_of_the_family() -> None:
    a = [1.0, 2.1, 3.3, 4.6, 5.9, 7.0]
    rows = one_source("a", a) + one_source("b", [0.0] * 6) + one_source("c", [math.nan] * 6)
    tested, *others = compare_systems(rows)
    assert tested.p_holm == tested.p_value == pytest.approx(2 / 2**6)
    assert [c.reason for c in others] == ["no_pairs", "no_pairs"]


def test_a_system_without_the_measure_has_no_pairs() -> None:
    rows = one_source("a", [1.0]) + make_rows("b", {"item0": {"male": 1.0}}, "stoi")
    assert [c.reason for c in compare_systems(rows, ["sdr"])] == ["no_pairs"]

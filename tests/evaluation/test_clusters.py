"""Mixtures of the same people are one cluster: drawn together by the bootstrap, and one number in a test."""

from __future__ import annotations

import numpy as np
import pytest

from sepvae import seeds
from sepvae.evaluation.hypotheses import Claim, check_claims
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import compare_systems, paired_differences, summarise

PAIRS, EACH = 12, 3
CLUSTERS = {f"{pair}-{turn}": f"pair {pair}" for pair in range(PAIRS) for turn in range(EACH)}
CLAIM = Claim("a is above b", "a", ("b",), "sdr", "greater")


def rows(system: str, values: dict[str, float]) -> list[ScoreRow]:
    return [ScoreRow(system, item, "female", {"sdr": value}, {}) for item, value in values.items()]


def lucky(generator: np.random.Generator, own: float = 0.3) -> dict[str, float]:
    """Draw scores of which all mixtures of a pair share their luck."""
    luck = generator.standard_normal(PAIRS)
    return {
        f"{pair}-{turn}": float(luck[pair] + own * generator.standard_normal())
        for pair in range(PAIRS)
        for turn in range(EACH)
    }


def test_the_mean_of_a_cluster_is_what_is_tested() -> None:
    scores = rows("a", {"1": 1.0, "2": 3.0, "3": 5.0}) + rows("b", {"1": 0.0, "2": 0.0, "3": 0.0})
    found = paired_differences(scores, "a", "b", "sdr", {"1": "ann + bob", "2": "ann + bob"})
    assert found.of_items.tolist() == [1.0, 3.0, 5.0]
    assert found.of_clusters.tolist() == [2.0, 5.0]
    # A cluster that is called as an item is not that item's.
    assert paired_differences(scores, "a", "b", "sdr", {"1": "3", "2": "3"}).of_clusters.tolist() == [2.0, 5.0]


def test_clusters_of_one_item_change_nothing() -> None:
    a, b = (lucky(seeds.generator(0, name)) for name in "ab")
    scores, alone = rows("a", a) + rows("b", b), {item: f"only {item}" for item in a}
    assert summarise(scores, clusters=alone) == summarise(scores)
    assert compare_systems(scores, clusters=alone) == compare_systems(scores)
    assert check_claims(scores, [CLAIM], clusters=alone) == check_claims(scores, [CLAIM])


def test_counts_of_items_and_clusters() -> None:
    a, b = (lucky(seeds.generator(1, name)) for name in "ab")
    scores = rows("a", {item: value + 9 for item, value in a.items()}) + rows("b", b)
    (comparison,), (claim,) = (
        compare_systems(scores, clusters=CLUSTERS),
        check_claims(scores, [CLAIM], clusters=CLUSTERS),
    )
    assert (comparison.n_pairs, comparison.n_clusters) == (claim.n_pairs, claim.n_clusters) == (36, 12)
    # Twelve numbers of one sign: two in 2¹² orders are as extreme, one of them on that side.
    assert comparison.p_value == pytest.approx(2 / 2**12) and claim.p_for == pytest.approx(1 / 2**12)
    few = {item: f"pair {int(item.partition('-')[0]) % 5}" for item in CLUSTERS}
    assert compare_systems(scores, clusters=few)[0].reason == "too_few_pairs"
    assert check_claims(scores, [CLAIM], clusters=few)[0].verdict == "undecided"


def test_intervals_cover_the_truth_where_mixtures_share_their_luck() -> None:
    generator, covered = seeds.generator(0, "coverage of clusters"), {"clusters": 0, "mixtures": 0}
    for _ in range(150):
        scores = rows("a", lucky(generator))
        for name, clusters in (("clusters", CLUSTERS), ("mixtures", None)):
            low, high = summarise(scores, clusters=clusters)["a"]["sdr"]["ci95"]
            covered[name] += low < 0 < high  # type: ignore[operator]
    # As of twelve independent values: a little narrow. Those that take mixtures for independent are far too narrow.
    assert 0.85 < covered["clusters"] / 150 < 0.98
    assert covered["mixtures"] / 150 < 0.80


def test_of_systems_that_do_not_differ_few_are_told_apart() -> None:
    """At 5 %, one in twenty; mixtures taken for independent would be evidence many times over."""
    generator, told = seeds.generator(0, "no difference"), {"clusters": 0, "mixtures": 0}
    for _ in range(300):
        scores = rows("a", lucky(generator)) + rows("b", dict.fromkeys(CLUSTERS, 0.0))
        for name, clusters in (("clusters", CLUSTERS), ("mixtures", None)):
            p_value = compare_systems(scores, clusters=clusters)[0].p_value
            assert p_value is not None
            told[name] += p_value < 0.05
    assert told["clusters"] / 300 < 0.08
    assert told["mixtures"] / 300 > 0.20

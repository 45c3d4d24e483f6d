"""Summaries with bootstrap intervals, and paired tests between systems with Holm's correction.

The sources of one mixture are not independent, so items, not rows, are resampled and paired; nor are mixtures of the
same people, so that items which share a cluster are drawn together, and count in a test as one: their mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from sepvae import seeds
from sepvae.evaluation.failures import Cell
from sepvae.evaluation.rows import ScoreRow

_N_RESAMPLES = 10_000
_INTERVAL = (0.025, 0.975)
# With five pairs the smallest two-sided p-value is 1/16: no outcome could be significant at 0.05.
_FEWEST_PAIRS = 6
# The exact distribution is used up to here, as scipy does.
_MOST_EXACT_PAIRS = 50


# Item -> what it shares with others, such as who speaks; an item that is not in it shares nothing.
Clusters = Mapping[str, str]


class Summary(TypedDict):
    """One measure of one system over all rows; None where no row (or, for the interval, one item) has a value.

    `seeds` and `seed_std` are added by `sepvae.evaluation.runs` where systems are run from seeds.
    """

    mean: float | None
    median: float | None
    ci95: list[float | None]
    n_valid: int
    n_failed: int
    n_total: int
    seeds: NotRequired[int]
    seed_std: NotRequired[float | None]


Summaries = dict[str, dict[str, Summary]]


def summarise(
    rows: Iterable[ScoreRow], *, seed: int = 0, failed: Collection[Cell] = (), clusters: Clusters | None = None
) -> Summaries:
    """Summarise every measure of every system.

    Args:
        rows: scores; rows without a value count in `n_total` and nowhere else.
        seed: root of the named random streams of the bootstrap.
        failed: which values stand for estimates that failed, as `count_failures` says.
        clusters: of the items.

    Returns:
        By system and measure: mean and median over rows, 95 % percentile interval of the mean from 10 000 bootstrap
        samples of the clusters, counts of rows with a score of their own, of failed ones that count all the same, and
        of all rows.

    Source:
        Efron and Tibshirani 1993, the percentile interval; Davison and Hinkley 1997, resampling of clusters.
    """
    table = _by_system_and_measure(rows)
    n_failed = Counter((system, measure) for system, _, _, measure in failed)
    return {
        system: {
            measure: _summarise(
                cells, n_failed[system, measure], seeds.generator(seed, "bootstrap", system, measure), clusters or {}
            )
            for measure, cells in by_measure.items()
        }
        for system, by_measure in table.items()
    }


@dataclass(frozen=True)
class Comparison:
    """A paired test of two systems by one measure, over the clusters of the `n_pairs` items that both have values for.

    The difference is `system_a` minus `system_b`. `p_holm` is corrected for all pairs of systems tested by this
    measure. `rank_biserial` is 1 where `system_a` is higher in every cluster, -1 where it is lower in every one.
    Where the test cannot be done the p-values are None and `reason` says why: `no_pairs`, `no_differences` or
    `too_few_pairs` (fewer than 6 clusters that differ, so that nothing could come out).
    """

    measure: str
    system_a: str
    system_b: str
    n_pairs: int
    n_clusters: int
    median_difference: float | None
    rank_biserial: float | None
    p_value: float | None
    p_holm: float | None
    reason: str | None


def compare_systems(
    rows: Iterable[ScoreRow], measures: Sequence[str] | None = None, *, clusters: Clusters | None = None
) -> list[Comparison]:
    """Compare every two systems by the two-sided Wilcoxon signed-rank test, paired by item.

    An item's score is the mean over its sources that both systems have a value for, and a cluster's the mean over its
    items. Clusters without a difference are dropped; the exact distribution is used up to 50 clusters without ties, the
    normal approximation otherwise.

    Args:
        rows: scores of all systems.
        measures: which to test, by default all. Each is a family of its own for Holm's correction.
        clusters: of the items.

    Source:
        Wilcoxon 1945; Holm 1979; Kerby 2014 for the rank-biserial correlation.
    """
    table = _by_system_and_measure(rows)
    names = measures if measures is not None else dict.fromkeys(name for cells in table.values() for name in cells)
    comparisons = []
    for measure in names:
        family = [
            _compare(measure, a, b, _differences(table, a, b, measure, clusters or {}))
            for a, b in combinations(table, 2)
        ]
        tested = [comparison.p_value for comparison in family if comparison.p_value is not None]
        corrected = iter(holm(tested))
        comparisons += [
            replace(comparison, p_holm=next(corrected)) if comparison.p_value is not None else comparison
            for comparison in family
        ]
    return comparisons


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being one family, by Holm's step-down method (Holm 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return corrected


# The values of one measure by item and source.
_Cells = dict[str, dict[str, float]]


def _by_system_and_measure(rows: Iterable[ScoreRow]) -> dict[str, dict[str, _Cells]]:
    table: dict[str, dict[str, _Cells]] = {}
    for row in rows:
        for measure, value in row.values.items():
            table.setdefault(row.system, {}).setdefault(measure, {}).setdefault(row.item, {})[row.source] = value
    return table


def _summarise(cells: _Cells, n_failed: int, generator: np.random.Generator, clusters: Clusters) -> Summary:
    drawn: dict[tuple[str, bool], list[float]] = {}
    for name, item in cells.items():
        if known := [value for value in item.values() if not math.isnan(value)]:
            drawn.setdefault(_cluster(name, clusters), []).extend(known)
    values = np.array([value for cluster in drawn.values() for value in cluster])
    n_total = sum(len(item) for item in cells.values())
    return {
        "mean": float(values.mean()) if values.size else None,
        "median": float(np.median(values)) if values.size else None,
        "ci95": _bootstrap_interval([*drawn.values()], generator),
        "n_valid": values.size - n_failed,
        "n_failed": n_failed,
        "n_total": n_total,
    }


def _bootstrap_interval(clusters: Sequence[Sequence[float]], generator: np.random.Generator) -> list[float | None]:
    """Return the 95 % percentile interval of the mean of all values, drawing whole clusters; one has no spread."""
    if len(clusters) < 2:
        return [None, None]
    sums = np.array([math.fsum(cluster) for cluster in clusters])
    sizes = np.array([len(cluster) for cluster in clusters], np.float64)
    means = np.empty(_N_RESAMPLES)
    # In rows of bounded size, so that a corpus of thousands of items does not need gigabytes.
    step = max(1, 10_000_000 // len(clusters))
    for start in range(0, _N_RESAMPLES, step):
        shape = (min(step, _N_RESAMPLES - start), len(clusters))
        drawn = generator.integers(len(clusters), size=shape)
        means[start : start + shape[0]] = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, _INTERVAL)
    return [float(low), float(high)]


def _compare(measure: str, a: str, b: str, found: Differences) -> Comparison:
    differences, n_items = found.of_clusters, found.of_items.size
    untested = Comparison(measure, a, b, n_items, differences.size, None, None, None, None, "no_pairs")
    if not differences.size:
        return untested
    described = replace(untested, median_difference=float(np.median(differences)), rank_biserial=0.0)
    nonzero = differences[differences != 0]
    if not nonzero.size:
        return replace(described, reason="no_differences")
    described = replace(described, rank_biserial=_rank_biserial(nonzero))
    if nonzero.size < _FEWEST_PAIRS:
        return replace(described, reason="too_few_pairs")
    return replace(described, p_value=_wilcoxon(nonzero), reason=None)


class Differences(NamedTuple):
    """One system minus another for each item, averaged over the sources with a value in both, and for each cluster."""

    of_items: NDArray[np.float64]
    of_clusters: NDArray[np.float64]


def paired_differences(
    rows: Iterable[ScoreRow], a: str, b: str, measure: str, clusters: Clusters | None = None
) -> Differences:
    """Return system `a` minus system `b` by a measure."""
    table = _by_system_and_measure(row for row in rows if row.system in (a, b))
    return _differences(table, a, b, measure, clusters or {})


def _differences(
    table: Mapping[str, Mapping[str, _Cells]], a: str, b: str, measure: str, clusters: Clusters
) -> Differences:
    cells_a, cells_b = table.get(a, {}).get(measure, {}), table.get(b, {}).get(measure, {})
    of_items, of_clusters = list[float](), dict[tuple[str, bool], list[float]]()
    for item, own in cells_a.items():
        pairs = [value - cells_b.get(item, {}).get(source, math.nan) for source, value in own.items()]
        valid = [pair for pair in pairs if not math.isnan(pair)]
        if valid:
            of_items.append(math.fsum(valid) / len(valid))
            of_clusters.setdefault(_cluster(item, clusters), []).append(of_items[-1])
    means = [math.fsum(cluster) / len(cluster) for cluster in of_clusters.values()]
    return Differences(np.array(of_items), np.array(means))


def _cluster(item: str, clusters: Clusters) -> tuple[str, bool]:
    """Return what an item is drawn with; a cluster is no item that is called alike."""
    return (clusters[item], True) if item in clusters else (item, False)


def _rank_biserial(differences: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / np.sum(ranks))


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    from scipy.stats import wilcoxon

    has_ties = np.unique(np.abs(differences)).size < differences.size
    method = "approx" if has_ties or differences.size > _MOST_EXACT_PAIRS else "exact"
    return float(wilcoxon(differences, method=method).pvalue)

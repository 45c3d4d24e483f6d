"""Summaries with bootstrap intervals, and paired tests between systems with Holm's correction.

The sources of one mixture are not independent, so items, not rows, are resampled and paired.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypedDict

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


class Summary(TypedDict):
    """One measure of one system over all rows; None where no row (or, for the interval, one item) has a value."""

    mean: float | None
    median: float | None
    ci95: list[float | None]
    n_valid: int
    n_failed: int
    n_total: int


Summaries = dict[str, dict[str, Summary]]


def summarise(rows: Iterable[ScoreRow], *, seed: int = 0, failed: Collection[Cell] = ()) -> Summaries:
    """Summarise every measure of every system.

    Args:
        rows: scores; rows without a value count in `n_total` and nowhere else.
        seed: root of the named random streams of the bootstrap.
        failed: which values stand for estimates that failed, as `count_failures` says.

    Returns:
        By system and measure: mean and median over rows, 95 % percentile interval of the mean from 10 000 bootstrap
        samples of the items, counts of rows with a score of their own, of failed ones that count all the same, and of
        all rows.

    Source:
        Efron and Tibshirani 1993, the percentile interval; Davison and Hinkley 1997, resampling of clusters.
    """
    table = _by_system_and_measure(rows)
    n_failed = Counter((system, measure) for system, _, _, measure in failed)
    return {
        system: {
            measure: _summarise(cells, n_failed[system, measure], seeds.generator(seed, "bootstrap", system, measure))
            for measure, cells in by_measure.items()
        }
        for system, by_measure in table.items()
    }


@dataclass(frozen=True)
class Comparison:
    """A paired test of two systems by one measure, over the items that both have values for.

    The difference is `system_a` minus `system_b`. `p_holm` is corrected for all pairs of systems tested by this
    measure. `rank_biserial` is 1 where `system_a` is higher on every item, -1 where it is lower on every item.
    Where the test cannot be done the p-values are None and `reason` says why: `no_pairs`, `no_differences` or
    `too_few_pairs` (fewer than 6 items that differ, so that nothing could come out).
    """

    measure: str
    system_a: str
    system_b: str
    n_pairs: int
    median_difference: float | None
    rank_biserial: float | None
    p_value: float | None
    p_holm: float | None
    reason: str | None


def compare_systems(rows: Iterable[ScoreRow], measures: Sequence[str] | None = None) -> list[Comparison]:
    """Compare every two systems by the two-sided Wilcoxon signed-rank test, paired by item.

    An item's score is the mean over its sources that both systems have a value for. Items without a difference are
    dropped; the exact distribution is used up to 50 items without ties, the normal approximation otherwise.

    Args:
        rows: scores of all systems.
        measures: which to test, by default all. Each is a family of its own for Holm's correction.

    Source:
        Wilcoxon 1945; Holm 1979; Kerby 2014 for the rank-biserial correlation.
    """
    table = _by_system_and_measure(rows)
    names = measures if measures is not None else dict.fromkeys(name for cells in table.values() for name in cells)
    comparisons = []
    for measure in names:
        family = [
            _compare(measure, a, b, table[a].get(measure, {}), table[b].get(measure, {}))
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


def _summarise(cells: _Cells, n_failed: int, generator: np.random.Generator) -> Summary:
    items = [[value for value in item.values() if not math.isnan(value)] for item in cells.values()]
    clusters = [item for item in items if item]
    values = np.array([value for item in clusters for value in item])
    n_total = sum(len(item) for item in cells.values())
    return {
        "mean": float(values.mean()) if values.size else None,
        "median": float(np.median(values)) if values.size else None,
        "ci95": _bootstrap_interval(clusters, generator),
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


def _compare(measure: str, a: str, b: str, cells_a: _Cells, cells_b: _Cells) -> Comparison:
    differences = _paired_differences(cells_a, cells_b)
    untested = Comparison(measure, a, b, differences.size, None, None, None, None, "no_pairs")
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


def paired_differences(rows: Iterable[ScoreRow], a: str, b: str, measure: str) -> NDArray[np.float64]:
    """Return system `a` minus system `b` by a measure for each item, averaged over the sources scored in both."""
    table = _by_system_and_measure(row for row in rows if row.system in (a, b))
    return _paired_differences(table.get(a, {}).get(measure, {}), table.get(b, {}).get(measure, {}))


def _paired_differences(
    a: Mapping[str, Mapping[str, float]], b: Mapping[str, Mapping[str, float]]
) -> NDArray[np.float64]:
    """Return a minus b for each item, averaged over the sources that have a value in both."""
    differences = []
    for item in a:
        pairs = [a[item][source] - b.get(item, {}).get(source, math.nan) for source in a[item]]
        valid = [pair for pair in pairs if not math.isnan(pair)]
        if valid:
            differences.append(math.fsum(valid) / len(valid))
    return np.array(differences)


def _rank_biserial(differences: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / np.sum(ranks))


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    from scipy.stats import wilcoxon

    has_ties = np.unique(np.abs(differences)).size < differences.size
    method = "approx" if has_ties or differences.size > _MOST_EXACT_PAIRS else "exact"
    return float(wilcoxon(differences, method=method).pvalue)

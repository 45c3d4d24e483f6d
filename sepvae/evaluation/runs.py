"""Runs of one system from several seeds: their scores are averaged before anything is made of them.

The items, not the seeds, are what tests and intervals draw from; how much seeds matter is told beside the mean.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sepvae.evaluation.failures import Counted
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import Summaries

# Run -> the system that it is one of, both by the name that rows have; a system that is not in it has one run.
Runs = Mapping[str, str]


def average_runs(counted: Counted, runs: Runs) -> Counted:
    """Return one row for each system, item and source: the mean over the runs that have a value.

    Args:
        counted: rows of runs, in which failed estimates have the values that they count as.
        runs: whose they are.

    Returns:
        Rows of systems, and the cells for which an estimate of any run failed. The row of a system of one run is as it
        was.
    """
    cells: dict[tuple[str, str, str], list[ScoreRow]] = {}
    for row in counted.rows:
        cells.setdefault((runs.get(row.system, row.system), row.item, row.source), []).append(row)
    failed = {(runs.get(run, run), item, source, measure) for run, item, source, measure in counted.failed}
    return Counted([_mean(system, own) for (system, _, _), own in cells.items()], frozenset(failed))


def _mean(system: str, rows: Sequence[ScoreRow]) -> ScoreRow:
    values, reasons = dict[str, float](), dict[str, str]()
    for measure in rows[0].values:
        found = [row.values[measure] for row in rows if not math.isnan(row.values[measure])]
        values[measure] = math.fsum(found) / len(found) if found else math.nan
        if not found:
            reasons[measure] = rows[0].reasons[measure]
    return ScoreRow(system, rows[0].item, rows[0].source, values, reasons)


def add_seeds(summaries: Summaries, rows: Iterable[ScoreRow], runs: Runs) -> Summaries:
    """Return summaries with the number of `seeds` of each system, and for several with `seed_std`.

    `seed_std` is the standard deviation, with n − 1, of the mean that the system has with each of its seeds; None where
    a run has no value.

    Args:
        summaries: of averaged rows.
        rows: of runs, as `average_runs` takes them.
        runs: whose they are.
    """
    n_seeds = Counter(runs.values())
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        for measure, value in row.values.items():
            own = values.setdefault((runs.get(row.system, row.system), measure), {}).setdefault(row.system, [])
            own += [] if math.isnan(value) else [value]
    for system, by_measure in summaries.items():
        for measure, summary in by_measure.items():
            summary["seeds"] = n_seeds.get(system, 1)
            if summary["seeds"] > 1:
                of_runs = values[system, measure].values()
                summary["seed_std"] = statistics.stdev(map(statistics.fmean, of_runs)) if all(of_runs) else None
    return summaries

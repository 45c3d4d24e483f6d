"""What a failed estimate counts: as much as no separation, or as the worst that its system made, whichever is lower."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from sepvae.evaluation.contract import Description
from sepvae.evaluation.measures import describe
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.unusable import PASSING

# A name that no system of a recipe can have.
UNPROCESSED = "unprocessed mixture"
# Why an estimate has no value though the mixture has one, or has none only because it is the mixture, and yet it did
# not fail: it is better than can be told.
_BETTER_THAN_ALL = "infinite"
_BECAUSE_IT_IS_THE_MIXTURE = "mixture_has_no_artifacts"

# System, item, source and measure.
Cell = tuple[str, str, str, str]


class Counted(NamedTuple):
    """Rows in which failed estimates have values, and which values these are."""

    rows: list[ScoreRow]
    failed: frozenset[Cell]


def count_failures(
    rows: Iterable[ScoreRow],
    *,
    floor: str = UNPROCESSED,
    known: Mapping[str, Description] | None = None,
    runs: Mapping[str, str] | None = None,
) -> Counted:
    """Give a value to every estimate that failed: silent, with samples that are no numbers, or refused otherwise.

    It is the worse of what the unprocessed mixture has for that source, and of the worst value of the system by that
    measure: a system that gives up where it is hard must not seem better than one that tries. An estimate failed where
    the mixture has a value and it has none. Where neither of the two is there, it remains without.

    Args:
        rows: scores of all systems.
        floor: the system of the rows that is the unprocessed mixture; rows called `UNPROCESSED` are left out of the
            result.
        known: as of `describe`; by a measure that nobody describes no value is worse than another, and none is given.
        runs: run -> the system that it is one of, where rows are of systems run from several seeds: the worst of a
            system is that of all of them.
    """
    rows = list(rows)
    base = {(row.item, row.source): row for row in rows if row.system == floor}
    systems = {row.system: (runs or {}).get(row.system, row.system) for row in rows}
    worst: dict[tuple[str, str], float] = {}
    for row in rows:
        for measure, value in row.values.items():
            if not math.isnan(value):
                key = systems[row.system], measure
                worst[key] = _worse(measure, known, [value, worst.get(key, value)])
    counted, failed = [], set[Cell]()
    for row in rows:
        values, reasons = dict(row.values), dict(row.reasons)
        for measure, reason in row.reasons.items():
            mixture = base.get((row.item, row.source))
            if mixture is None or not _failed(reason, mixture, measure) or describe(measure, known).better is None:
                continue
            found = [mixture.values.get(measure, math.nan), worst.get((systems[row.system], measure), math.nan)]
            if numbers := [value for value in found if not math.isnan(value)]:
                values[measure] = _worse(measure, known, numbers)
                del reasons[measure]
                failed.add((row.system, row.item, row.source, measure))
        if row.system != UNPROCESSED:
            counted.append(replace(row, values=values, reasons=reasons))
    return Counted(counted, frozenset(failed))


def _worse(measure: str, known: Mapping[str, Description] | None, values: Iterable[float]) -> float:
    return max(values) if describe(measure, known).better == "lower" else min(values)


def _failed(reason: str, mixture: ScoreRow, measure: str) -> bool:
    """Whether an estimate without a value is to blame for that, and not the references, the noise or a package."""
    if reason == _BETTER_THAN_ALL or reason in PASSING:
        return False
    of_mixture = mixture.reasons.get(measure)
    return reason != of_mixture and of_mixture in (None, _BECAUSE_IT_IS_THE_MIXTURE)

"""Scores of many items, over several processes with one thread each; rows come back in the order of the items."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from numpy.typing import ArrayLike

from sepvae.errors import ConfigError
from sepvae.evaluation import known_measure
from sepvae.evaluation.measures import report_missing_packages, score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.processes import one_thread, run


@dataclass(frozen=True)
class ScoreTask:
    """One item to score: the arguments of `score_systems`."""

    item: str
    references: Mapping[str, ArrayLike]
    estimates: Mapping[str, Mapping[str, ArrayLike]]
    mixture: ArrayLike
    sample_rate: int
    noise: ArrayLike | None = None


def score_many(
    tasks: Iterable[ScoreTask], *, measures: Sequence[str] | None = None, floor: str | None = None, jobs: int = 1
) -> Generator[list[ScoreRow], None, None]:
    """Score items one after the other, or `jobs` at a time; the rows are the same.

    Args:
        tasks: items, taken as they are needed: they may be read from disk on the way.
        measures: as in `score_systems`.
        floor: as in `score_systems`.
        jobs: processes; 1 computes in this one. A script that asks for more needs the usual
            `if __name__ == "__main__"` guard.

    Yields:
        The rows of one item, in the order of the tasks.

    Raises:
        ConfigError: a measure is not known, or `jobs` is below 1.
        InputError: an item cannot be scored; the message names it.
        KilledWorker: its process was ended from outside; the message names it too.
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}: at least 1 process is needed")
    for name in measures or ():
        known_measure(name)
    return _score_all(tasks, measures, floor, jobs)


def _score_all(
    tasks: Iterable[ScoreTask], measures: Sequence[str] | None, floor: str | None, jobs: int
) -> Generator[list[ScoreRow], None, None]:
    if jobs > 1:
        report_missing_packages(measures)
    work = partial(_score, measures=measures, floor=floor, alone=jobs == 1)
    results = run(work, tasks, jobs=jobs, name=attrgetter("item"))
    with contextlib.closing(results):
        for result in results:
            yield result.value(f"item {result.name!r} cannot be scored")


def _score(task: ScoreTask, *, measures: Sequence[str] | None, floor: str | None, alone: bool) -> list[ScoreRow]:
    if not alone:
        # Leave the warnings about missing packages to one process.
        logging.getLogger("sepvae").setLevel(logging.ERROR)
    with one_thread():
        return score_systems(
            references=task.references,
            estimates=task.estimates,
            mixture=task.mixture,
            sample_rate=task.sample_rate,
            item=task.item,
            measures=measures,
            noise=task.noise,
            floor=floor,
        )

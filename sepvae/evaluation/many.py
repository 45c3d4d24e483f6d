"""Scores of many items, over several processes with one thread each; rows come back in the order of the items.

An item that cannot be scored has rows with a reason, and the others have theirs.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from sepvae.batch import one_of_many
from sepvae.errors import CheckpointError, ConfigError, InputError, KilledWorker, MissingExtra, OutOfMemory, OutputError
from sepvae.evaluation import known_measure
from sepvae.evaluation.measures import default_measures, report_missing_packages, score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.unusable import NOT_SCORED, OUT_OF_MEMORY, PROCESS_KILLED, UnusableSignalError
from sepvae.processes import one_thread, run

_LOGGER = logging.getLogger(__name__)
# Messages that are told one by one: all items of a corpus may have the same fault.
_NAMED = 20
# What a measure says of the signal that stands for one that cannot be used.
_STANDS_FOR_ANOTHER = "not_finite"


@dataclass(frozen=True)
class ScoreTask:
    """One item to score: the arguments of `score_systems`, and what is known of its estimates beside their samples.

    `unusable` says by system and source why an estimate is not among `estimates`; `names` which estimate each is.
    `messages` are what people are told of the item.
    """

    item: str
    references: Mapping[str, ArrayLike]
    estimates: Mapping[str, Mapping[str, ArrayLike]]
    mixture: ArrayLike
    sample_rate: int
    noise: ArrayLike | None = None
    unusable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The sources that each system has a row for."""
        return {system: tuple(self.references) for system in self.estimates}

    def load(self) -> ScoreTask:
        """Return the task: its signals are there."""
        return self


class Scorable(Protocol):
    """An item whose signals are there when they are asked for, in the process that scores it."""

    @property
    def item(self) -> str:
        """Its name."""
        ...

    @property
    def sources(self) -> Mapping[str, Sequence[str]]:
        """The sources that each system has a row for."""
        ...

    def load(self) -> ScoreTask:
        """Return it with its signals; UnusableSignalError where it cannot be scored."""
        ...


class _Scored(NamedTuple):
    rows: list[ScoreRow]
    messages: tuple[str, ...]


def score_many(
    tasks: Iterable[Scorable], *, measures: Sequence[str] | None = None, floor: str | None = None, jobs: int = 1
) -> Generator[list[ScoreRow], None, None]:
    """Score items one after the other, or `jobs` at a time; the rows are the same.

    An item that cannot be scored is named in an error message, and has rows without values that say why, of the systems
    but not of the mixture: `sepvae.evaluation.unusable` lists the reasons.

    Args:
        tasks: items, taken as they are needed, and read in the process that scores them.
        measures: as in `score_systems`.
        floor: as in `score_systems`.
        jobs: processes; 1 computes in this one. A script that asks for more needs the usual
            `if __name__ == "__main__"` guard.

    Yields:
        The rows of one item, in the order of the tasks.

    Raises:
        ConfigError: a measure is not known, or `jobs` is below 1.
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}: at least 1 process is needed")
    for name in measures or ():
        known_measure(name)
    return _score_all(tasks, measures, floor, jobs)


def _score_all(
    tasks: Iterable[Scorable], measures: Sequence[str] | None, floor: str | None, jobs: int
) -> Generator[list[ScoreRow], None, None]:
    if jobs > 1:
        report_missing_packages(measures)
    work = partial(_score, measures=measures, floor=floor, alone=jobs == 1)
    # Of an item whose process ended nothing comes back: what its rows are called is kept here.
    expected: deque[Mapping[str, Sequence[str]]] = deque()

    def remembered() -> Iterator[Scorable]:
        for task in tasks:
            expected.append(task.sources)
            yield task

    n_told = 0
    results = run(work, remembered(), jobs=jobs, name=attrgetter("item"))
    with contextlib.closing(results):
        for result in results:
            sources = expected.popleft()
            if result.error == KilledWorker.__name__:
                rows = _without_values(result.name, sources, measures, PROCESS_KILLED)
                # There is nothing to continue: whoever asks again has all items scored again.
                message = f"item {result.name!r} cannot be scored: {result.text}: try again with fewer --jobs"
                scored = _Scored(rows, (message,))
            else:
                scored = result.value(f"item {result.name!r} cannot be scored")
            for message in scored.messages[: max(0, _NAMED - n_told)]:
                _LOGGER.error("%s", message)
            n_told += len(scored.messages)
            yield scored.rows
    if n_told > _NAMED:
        _LOGGER.error("%d more messages of this kind: the reasons are in the rows", n_told - _NAMED)


def _score(task: Scorable, *, measures: Sequence[str] | None, floor: str | None, alone: bool) -> _Scored:
    """Return the rows of an item, with values or reasons; what is wrong with the whole run is raised."""
    if not alone:
        # Leave the warnings about missing packages to one process.
        logging.getLogger("sepvae").setLevel(logging.ERROR)
    try:
        with one_of_many(task.item, advice="give fewer --jobs"), one_thread():
            loaded = task.load()
            return _Scored(_score_signals(loaded, measures, floor), loaded.messages)
    except (ConfigError, CheckpointError, MissingExtra, OutputError):
        raise
    except UnusableSignalError as error:
        reason, message = error.reason, str(error)
    except OutOfMemory as error:
        reason, message = OUT_OF_MEMORY, str(error)
    except InputError as error:
        reason, message = NOT_SCORED, str(error)
    rows = _without_values(task.item, task.sources, measures, reason)
    return _Scored(rows, (f"item {task.item!r} cannot be scored: {message}",))


def _score_signals(task: ScoreTask, measures: Sequence[str] | None, floor: str | None) -> list[ScoreRow]:
    """Return the rows of an item whose signals are there, but for some estimates."""
    nothing = np.full(np.shape(task.mixture), np.nan)
    estimates = {
        system: {**own, **dict.fromkeys(task.unusable.get(system, ()), nothing)}
        for system, own in task.estimates.items()
    }
    rows = score_systems(
        references=task.references,
        estimates=estimates,
        mixture=task.mixture,
        sample_rate=task.sample_rate,
        item=task.item,
        measures=measures,
        noise=task.noise,
        floor=floor,
    )
    return [_told(row, task) for row in rows]


def _told(row: ScoreRow, task: ScoreTask) -> ScoreRow:
    """Return a row with the name of its estimate, and with the reason why there is none that can be used."""
    name = task.names.get(row.system, {}).get(row.source, "")
    reason = task.unusable.get(row.system, {}).get(row.source)
    reasons = row.reasons
    if reason is not None:
        reasons = {key: reason if old == _STANDS_FOR_ANOTHER else old for key, old in reasons.items()}
    return replace(row, reasons=reasons, estimate=name)


def _without_values(
    item: str, sources: Mapping[str, Sequence[str]], measures: Sequence[str] | None, reason: str
) -> list[ScoreRow]:
    """Return the rows of an item that has no values."""
    wanted = list(measures) if measures is not None else default_measures(with_noise=False)
    values, reasons = dict.fromkeys(wanted, math.nan), dict.fromkeys(wanted, reason)
    return [
        ScoreRow(system, item, name, dict(values), dict(reasons)) for system, own in sources.items() for name in own
    ]

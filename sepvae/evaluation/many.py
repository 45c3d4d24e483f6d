"""Scores of many items, over several processes with one thread each; rows come back in the order of the items."""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from numpy.typing import ArrayLike

from sepvae.errors import ConfigError, InputError
from sepvae.evaluation import known_measure
from sepvae.evaluation.measures import report_missing_packages, score_systems
from sepvae.evaluation.rows import ScoreRow

# Items handed out per process: enough that none waits, few enough that waves do not pile up.
_AHEAD = 2


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
    tasks: Iterable[ScoreTask], *, measures: Sequence[str] | None = None, jobs: int = 1
) -> Iterator[list[ScoreRow]]:
    """Score items one after the other, or `jobs` at a time; the rows are the same.

    Args:
        tasks: items, taken as they are needed: they may be read from disk on the way.
        measures: as in `score_systems`.
        jobs: processes; 1 computes in this one. A script that asks for more needs the usual
            `if __name__ == "__main__"` guard.

    Yields:
        The rows of one item, in the order of the tasks.

    Raises:
        ConfigError: a measure is not known, or `jobs` is below 1.
        InputError: an item cannot be scored, or its process died; the message names it.
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}: at least 1 process is needed")
    for name in measures or ():
        known_measure(name)
    return _in_turn(tasks, measures) if jobs == 1 else _in_processes(iter(tasks), measures, jobs)


def _in_turn(tasks: Iterable[ScoreTask], measures: Sequence[str] | None) -> Iterator[list[ScoreRow]]:
    for task in tasks:
        yield _unwrap(task.item, _score(task, measures))


def _in_processes(tasks: Iterator[ScoreTask], measures: Sequence[str] | None, jobs: int) -> Iterator[list[ScoreRow]]:
    report_missing_packages(measures)
    # Forked children would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_worker)
    waiting: deque[tuple[str, Future[list[ScoreRow] | str]]] = deque()
    try:
        while True:
            for task in islice(tasks, jobs * _AHEAD - len(waiting)):
                waiting.append((task.item, pool.submit(_score, task, measures)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                result = future.result()
            except BrokenProcessPool as error:
                suspects = ", ".join(repr(name) for name in (item, *(name for name, _ in waiting)))
                raise InputError(
                    f"a process died while scoring one of the items {suspects} (out of memory?): "
                    "score them with one job to find out which"
                ) from error
            yield _unwrap(item, result)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score(task: ScoreTask, measures: Sequence[str] | None) -> list[ScoreRow] | str:
    """Return the rows, or the error as text: not every exception survives the way between processes."""
    try:
        with _one_thread():
            return score_systems(
                references=task.references,
                estimates=task.estimates,
                mixture=task.mixture,
                sample_rate=task.sample_rate,
                item=task.item,
                measures=measures,
                noise=task.noise,
            )
    except InputError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: processes do not get in each other's way, and sums come out the same to the bit."""
    import torch

    n_threads = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        torch.set_num_threads(1)
        stack.callback(torch.set_num_threads, n_threads)
        # NumPy's library has threads of its own, which only the optional threadpoolctl can limit.
        with contextlib.suppress(ImportError):
            stack.enter_context(importlib.import_module("threadpoolctl").threadpool_limits(1))
        yield


def _unwrap(item: str, result: list[ScoreRow] | str) -> list[ScoreRow]:
    if isinstance(result, str):
        raise InputError(f"item {item!r} cannot be scored: {result}")
    return result


def _prepare_worker() -> None:
    """Leave the warnings about missing packages to one process."""
    logging.getLogger("sepvae").setLevel(logging.ERROR)

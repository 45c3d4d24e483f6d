"""Where blocks are made: in this process, in local processes, or on a Dask cluster; with bounded queues."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sepvae.errors import InputError, MissingExtra, OutputError

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Blocks that wait at each worker: enough to keep it busy, and few enough that memory does not grow with the corpus.
_QUEUED = 3
# How long a scheduler may take to answer.
_ANSWER_S = 10
# What the libraries of linear algebra read when they are loaded: a worker has one core.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def in_process(work: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Yield what `work` makes of each task, one after the other."""
    return map(work, tasks)


def local_processes(
    work: Callable[[T], R], tasks: Iterable[T], *, workers: int, prepare: Callable[[], object] | None = None
) -> Iterator[R]:
    """Yield what `work` makes of each task in processes of one thread each, in the order in which they are done.

    Args:
        work: a function that can be sent to a process.
        tasks: what to do.
        workers: processes.
        prepare: what each process does first, while the first of the tasks are drawn up here.

    Raises:
        OutputError: a process was killed from outside.
    """
    # Forked children would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    with _environment(dict.fromkeys(_THREADS, "1")):
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare, initargs=(_level(),))
        waiting: set[Future[R]] = set()
        try:
            if prepare is not None:
                for _ in range(workers):
                    pool.submit(prepare)
            todo = iter(tasks)
            while True:
                waiting |= {pool.submit(work, task) for task in islice(todo, _QUEUED * workers - len(waiting))}
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise OutputError(
                "a worker was killed (out of memory?): run the same command again to continue, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def dask_cluster(work: Callable[[T], R], tasks: Iterable[T], *, address: str) -> Iterator[R]:
    """Yield what `work` makes of each task on the workers of a Dask cluster, in the order in which they are done.

    The cluster gives what a lost worker had to do to another one.

    Args:
        work: a function that the workers can import.
        tasks: what to do.
        address: of the scheduler, such as `tcp://10.0.0.1:8786`.

    Raises:
        MissingExtra: distributed is not installed.
        InputError: there is no scheduler at the address.
        OutputError: a task killed several workers.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise MissingExtra("a Dask cluster", "cluster", error) from error
    try:
        client = Client(address, set_as_default=False, timeout=_ANSWER_S)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} ({error}): start one with 'dask scheduler'"
        ) from error
    with client:
        todo = iter(tasks)

        def submit(count: int) -> list[Any]:
            return [client.submit(work, task, pure=False) for task in islice(todo, max(count, 0))]

        n_threads = max(sum(client.nthreads().values()), 1)
        queue = as_completed(submit(_QUEUED * n_threads), loop=client.loop)
        try:
            for future in queue:
                yield future.result()
                # Workers may have joined or left.
                future.release()
                n_threads = max(sum(client.nthreads().values()), 1)
                for more in submit(_QUEUED * n_threads - queue.count()):
                    queue.add(more)
        except KilledWorker as error:
            raise OutputError(
                f"a block killed several workers of the cluster ({error}): give them more memory"
            ) from error


def scheduler(
    *, workers: int = 1, address: str | None = None, prepare: Callable[[], object] | None = None
) -> Callable[[Callable[[T], R], Iterable[T]], Iterator[R]]:
    """Return what runs `work` over tasks: a cluster when there is an address, processes when there are several.

    See `local_processes` for `prepare`.
    """
    if address is not None:
        return partial(dask_cluster, address=address)
    return in_process if workers == 1 else partial(local_processes, workers=workers, prepare=prepare)


def _level() -> int:
    return logging.getLogger("sepvae").getEffectiveLevel()


def _prepare(level: int) -> None:
    """Give a process its log, and end it with the one that started it: killed, that could stop none."""
    # Ctrl-C goes to all processes of a terminal: the first one stops the others when their blocks are whole.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("sepvae: %(message)s"))
    logger = logging.getLogger("sepvae")
    logger.addHandler(handler)
    logger.setLevel(level)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes started in the block, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

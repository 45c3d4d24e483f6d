"""Where blocks are made: in processes of this machine or on a Dask cluster; with bounded queues."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sepvae import plugins
from sepvae.errors import InputError, MissingExtra, OutputError
from sepvae.processes import run

T = TypeVar("T")
R = TypeVar("R")

# Blocks that wait at each worker: enough to keep it busy, and few enough that memory does not grow with the corpus.
_QUEUED = 3
# How long a scheduler may take to answer.
_ANSWER_S = 10


def local_processes(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    workers: int,
    name: Callable[[T], str] = str,
    prepare: Callable[[], object] | None = None,
) -> Generator[R, None, None]:
    """Yield what `work` makes of each task in processes of one thread each, in the order in which they are done.

    One worker is this process; arguments and errors as of `processes.run`.
    """
    results = run(work, tasks, jobs=workers, name=name, ordered=False, prepare=prepare)
    with closing(results):
        for result in results:
            yield result.value()


def dask_cluster(work: Callable[[T], R], tasks: Iterable[T], *, address: str) -> Generator[R, None, None]:
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
            call = partial(_with_plugins, plugins.loaded(), work)
            return [client.submit(call, task, pure=False) for task in islice(todo, max(count, 0))]

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


def _with_plugins(names: tuple[str, ...], work: Callable[[T], R], task: T) -> R:
    """Do a task on a worker, which may have joined since, and where a plug-in is loaded once."""
    plugins.load(names)
    return work(task)


def scheduler(
    *,
    workers: int = 1,
    address: str | None = None,
    name: Callable[[T], str] = str,
    prepare: Callable[[], object] | None = None,
) -> Callable[[Callable[[T], R], Iterable[T]], Generator[R, None, None]]:
    """Return what runs `work` over tasks: a cluster when there is an address, otherwise processes of this machine.

    See `local_processes` for `name` and `prepare`.
    """
    if address is not None:
        return partial(dask_cluster, address=address)
    return partial(local_processes, workers=workers, name=name, prepare=prepare)

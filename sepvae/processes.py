"""The one way to run: a function over many tasks, here, in processes of their own, or in threads around programs.

A task becomes a result or an error with its name, and what becomes of one is nothing to the others.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from multiprocessing import connection, resource_tracker
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, Literal, TypeVar

from sepvae import plugins, progress, signals
from sepvae.errors import ConfigError, KilledWorker
from sepvae.worker import Relay, Result, Setup, limited, serve

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Tasks for each worker that are read and not yet yielded: none waits, and memory does not grow with their number.
_AHEAD = 3
# How often to look whether the workers still live, and whether somebody wants no more.
_LOOK_EVERY_S = 1.0
# How long processes may take to end before they are killed: less than who asks this one to end mostly allows it.
_END_S = 8.0
# What the libraries of linear algebra read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    jobs: int = 1,
    name: Callable[[T], str] = str,
    ordered: bool = True,
    threads: int | None = 1,
    prepare: Callable[[], object] | None = None,
    workers: Literal["processes", "threads"] = "processes",
) -> Generator[Result[R], None, None]:
    """Do `work` on each task, `jobs` at a time, and yield what became of each.

    Close the iterator, with `contextlib.closing`, where the rest may not be wanted: that ends what is running. So does
    Ctrl-C, and processes end by themselves when this one does. One job runs here, in this process and thread.

    Args:
        work: a function at the top of a module, or an object that can be sent to a process.
        tasks: what to do, read as it is needed; an error in reading is raised when what was read before it is done.
        jobs: processes or threads. A script that asks for processes needs the usual `if __name__ == "__main__"`.
        name: what an error calls a task.
        ordered: yield in the order of the tasks; otherwise in that in which they are done.
        threads: of the libraries of linear algebra in each process; None for its share of the cores. With one job they
            have all: what is to be the same to the bit works in `one_thread`.
        prepare: what each process does first; all of them are started at once then, and otherwise for their first task.
        workers: threads are for work that waits for programs.

    Raises:
        ConfigError: fewer than one job.
        SepvaeError: a process could not begin.
        Cancelled: somebody who listens to progress wants no more.

    Example:
        >>> [result.error or result.value() for result in run(int, ["1", "x", "3"])]
        [1, 'ValueError', 3]
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}: at least 1 process is needed")
    # Processes of a worker would outlive it when it is killed.
    if jobs == 1 or multiprocessing.current_process().daemon:
        return _here(work, tasks, name, prepare)
    if workers == "threads":
        return _drive(lambda: _Threads(work, jobs), tasks, name, size=_AHEAD * jobs, ordered=ordered)
    setup = Setup(
        threads=threads or max(1, (os.cpu_count() or 1) // jobs),
        level=logging.getLogger("sepvae").getEffectiveLevel(),
        plugins=plugins.loaded(),
        has_listeners=progress.has_listeners(),
        started_by=os.getpid(),
        by_main_thread=threading.current_thread() is threading.main_thread(),
    )
    return _drive(lambda: _Processes(work, prepare, jobs, setup), tasks, name, size=_AHEAD * jobs, ordered=ordered)


def run_side_by_side(
    work: Callable[..., R], tasks: Mapping[str, Sequence[Any]], *, jobs: int, what: str = ""
) -> dict[str, R]:
    """Call `work(*arguments)` for each task, `jobs` at a time, and return what each gave, in the order of the tasks.

    Each process has its share of the cores, so that together they keep every core busy and none waits for another's.

    Args:
        work: a function at the top of a module.
        tasks: arguments by name; a name is what an error mentions.
        jobs: processes.
        what: what an error calls them, before their name.

    Raises:
        SepvaeError: of the first task that failed, with its name; the others are stopped.
    """
    done: dict[str, R] = {}
    jobs = min(jobs, max(len(tasks), 1))
    results = run(partial(_spread, work), tasks.items(), jobs=jobs, name=_first, ordered=False, threads=None)
    with contextlib.closing(results):
        for result in results:
            done[result.name] = result.value(f"{what} {result.name}".strip())
            if len(tasks) > 1:
                _LOGGER.info("%s: done, %d of %d", result.name, len(done), len(tasks))
    return {name: done[name] for name in tasks}


def _spread(work: Callable[..., R], task: tuple[str, Sequence[Any]]) -> R:
    return work(*task[1])


def _first(task: tuple[str, Sequence[Any]]) -> str:
    return task[0]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: sums come out the same to the bit, and processes do not get in each other's way."""
    import torch

    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        stack.enter_context(limited(1))
        yield


def _here(
    work: Callable[[T], R], tasks: Iterable[T], name: Callable[[T], str], prepare: Callable[[], object] | None
) -> Generator[Result[R], None, None]:
    for task in tasks:
        if prepare is not None:
            Result.of("preparation", prepare).value()
            prepare = None
        yield Result.of(name(task), work, task)


def _drive(
    assemble: Callable[[], _Threads[T, R] | _Processes[T, R]],
    tasks: Iterable[T],
    name: Callable[[T], str],
    *,
    size: int,
    ordered: bool,
) -> Generator[Result[R], None, None]:
    """Keep a crew busy with at most `size` tasks that are read and not yet yielded."""
    todo, failure = enumerate(tasks), None
    done: dict[int, Result[R]] = {}
    n_open = turn = 0
    reading = True
    with contextlib.closing(assemble()) as crew:
        while True:
            while reading and n_open < size:
                try:
                    number, task = next(todo)
                except StopIteration:
                    reading = False
                except Exception as error:
                    reading, failure = False, error
                else:
                    crew.give(number, name(task), task)
                    n_open += 1
            if not n_open:
                break
            number, result = crew.take()
            done[number if ordered else turn] = result
            while turn in done:
                turn, n_open = turn + 1, n_open - 1
                yield done.pop(turn - 1)
    if failure is not None:
        raise failure


class _Threads(Generic[T, R]):
    """Threads of this process: given numbered tasks, they give back numbered results as they are done."""

    def __init__(self, work: Callable[[T], R], jobs: int) -> None:
        self._work, self._pool = work, ThreadPoolExecutor(jobs)
        self._numbers: dict[Future[Result[R]], int] = {}

    def give(self, number: int, name: str, task: T) -> None:
        self._numbers[self._pool.submit(Result.of, name, self._work, task)] = number

    def take(self) -> tuple[int, Result[R]]:
        while True:
            progress.check()
            for future in wait(self._numbers, _LOOK_EVERY_S, FIRST_COMPLETED).done:
                return self._numbers.pop(future), future.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class _Worker:
    """A process, the pipe to it, and the number and name of the task that it has."""

    def __init__(self, setup: Setup) -> None:
        # Forked children would inherit torch's thread pool in an unusable state.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # Daemons are ended when this process ends in an orderly way, and watch it for other ways.
        self.process = context.Process(target=serve, args=(theirs, setup), daemon=True)
        if sys.platform != "win32":
            # Started with the first process, it would let signals through in the midst of the block.
            resource_tracker.ensure_running()
        with _environment(dict.fromkeys(_THREADS, str(setup.threads))), signals.held_back():
            self.process.start()
        theirs.close()
        self.relay = Relay()
        self.ready = False
        self.task: tuple[int, str] | None = None

    def ending(self) -> str:
        """Wait for the end of the process and return how it came."""
        self.process.join(_END_S)
        code = self.process.exitcode
        if code == 128 + signal.SIGTERM:
            return signal.SIGTERM.name
        if code is None or code >= 0:
            return f"code {code}"
        return f"{signal.Signals(-code).name}, most often for want of memory"


class _Processes(Generic[T, R]):
    """Processes of their own, used as `_Threads` are; each is started when there is something to do for it."""

    def __init__(self, work: Callable[[T], R], prepare: Callable[[], object] | None, jobs: int, setup: Setup) -> None:
        self._jobs, self._setup = jobs, setup
        # Before any process is there: what cannot be sent is an error here.
        self._first = ForkingPickler.dumps((work, prepare))
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[int, str, T]] = deque()
        self._done: deque[tuple[int, Result[R]]] = deque()
        if prepare is not None:
            self._start(jobs)

    def give(self, number: int, name: str, task: T) -> None:
        self._waiting.append((number, name, task))
        self._look(0)

    def take(self) -> tuple[int, Result[R]]:
        while not self._done:
            progress.check()
            self._look(_LOOK_EVERY_S)
        return self._done.popleft()

    def close(self) -> None:
        for worker in self._workers:
            # One that waits ends by itself when there is nobody to wait for.
            if worker.task is not None or not worker.ready:
                worker.process.terminate()
            worker.pipe.close()
            worker.relay.close()
        latest = time.monotonic() + _END_S
        for worker in self._workers:
            worker.process.join(max(latest - time.monotonic(), 0.0))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _start(self, count: int) -> None:
        for _ in range(count):
            worker = _Worker(self._setup)
            self._workers.append(worker)
            worker.pipe.send_bytes(self._first)

    def _look(self, timeout_s: float) -> None:
        """Give those who wait something to do, and take in what the others send."""
        self._assign()
        ready = connection.wait([worker.pipe for worker in self._workers], timeout_s)
        for worker in [*self._workers]:
            if worker.pipe in ready:
                self._receive(worker)
            elif not worker.process.is_alive() and not worker.pipe.poll():
                self._lose(worker)
        self._assign()

    def _assign(self) -> None:
        idle = [worker for worker in self._workers if worker.ready and worker.task is None]
        while idle and self._waiting:
            number, name, task = self._waiting.popleft()
            try:
                data = bytes(ForkingPickler.dumps(task))
            except Exception as error:
                self._done.append((number, Result.failed(name, error)))
                continue
            worker = idle.pop()
            worker.task = number, name
            # One that has ended is found, with its task, when it is listened to.
            with contextlib.suppress(OSError):
                worker.pipe.send((name, data))
        n_starting = sum(not worker.ready for worker in self._workers)
        self._start(min(len(self._waiting) - n_starting, self._jobs - len(self._workers)))

    def _receive(self, worker: _Worker) -> None:
        try:
            data = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._lose(worker)
            return
        message: progress.Event | logging.LogRecord | Result[R] = ForkingPickler.loads(data)
        if isinstance(message, progress.Event):
            worker.relay.receive(message)
        elif isinstance(message, logging.LogRecord):
            logging.getLogger(message.name).handle(message)
        elif worker.task is None:
            message.value()
            worker.ready = True
        else:
            (number, name), worker.task = worker.task, None
            self._done.append((number, replace(message, name=name)))

    def _lose(self, worker: _Worker) -> None:
        """Take a worker out that has ended, and name the task that it had."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.relay.close()
        how = worker.ending()
        if not worker.ready:
            message = f"a process ended ({how}) before it could begin: run the same command with fewer --jobs"
            if not self._workers:
                raise KilledWorker(message)
            _LOGGER.warning("%s; the others go on", message)
            self._jobs -= 1
        elif worker.task is not None:
            number, name = worker.task
            text, advice = f"its process ended ({how})", "run the same command again to continue, with fewer --jobs"
            self._done.append((number, Result(name, error=KilledWorker.__name__, text=text, advice=advice)))


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
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

"""Systems trained and run side by side: each in a process of its own, with its share of the cores."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepvae import errors, progress
from sepvae.errors import InputError, SepvaeError

_LOGGER = logging.getLogger(__name__)
# What the libraries of linear algebra read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# How often to look whether the processes still live.
_LOOK_EVERY_S = 2.0

# (name of the system, what it gave or None, class of the error or None, its text)
_Outcome = tuple[str, Any, str, str]


def run_side_by_side(work: Any, tasks: Mapping[str, Sequence[Any]], *, jobs: int) -> dict[str, Any]:
    """Call `work(*arguments)` for each task, `jobs` at a time, and return what each gave, in the order of the tasks.

    With one job everything runs in this process. Otherwise each process has cores // jobs threads, so that together
    they keep every core busy and none waits for another's.

    Args:
        work: a function at the top of a module.
        tasks: arguments by name; a name is what an error mentions.
        jobs: processes.

    Raises:
        SepvaeError: of the first task that failed, with its name, or that a process was killed; the others are stopped.
    """
    if jobs == 1 or len(tasks) < 2:
        return {name: work(*arguments) for name, arguments in tasks.items()}
    done: dict[str, Any] = {}
    n_threads = max(1, (os.cpu_count() or 1) // jobs)
    # Forked children would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    prepared = (n_threads, _LOGGER.getEffectiveLevel())
    others = set(multiprocessing.active_children())
    with _environment(dict.fromkeys(_THREADS, str(n_threads))):
        pool = context.Pool(min(jobs, len(tasks)), initializer=_prepare, initargs=prepared)
    processes = set(multiprocessing.active_children()) - others
    # Leaving the block ends the processes, finished or not: what they write is whole or not there.
    with pool:
        outcomes = pool.imap_unordered(_call, [(work, name, arguments) for name, arguments in tasks.items()])
        while len(done) < len(tasks):
            try:
                name, result, kind, text = outcomes.next(timeout=_LOOK_EVERY_S)
            except multiprocessing.TimeoutError:
                # The pool would start another process in its place, and wait for the lost result for ever.
                if all(process.is_alive() for process in processes):
                    continue
                left = ", ".join(name for name in tasks if name not in done)
                raise InputError(
                    f"a process was killed, most often for want of memory, before all of {left} were done: run it "
                    "again with fewer --jobs"
                ) from None
            if kind:
                raise _revived(name, kind, text)
            done[name] = result
            _LOGGER.info("%s: done, %d of %d", name, len(done), len(tasks))
    return {name: done[name] for name in tasks}


def _call(call: tuple[Any, str, Sequence[Any]]) -> _Outcome:
    """Return the result, or the error as text: not every exception survives the way between processes."""
    work, name, arguments = call
    try:
        return name, work(*arguments), "", ""
    except Exception as error:
        _LOGGER.debug("%s", name, exc_info=True)
        return name, None, type(error).__name__, str(error)


def _revived(name: str, kind: str, text: str) -> SepvaeError:
    """Return the error of a process as one of ours, with the name of its task."""
    known = getattr(errors, kind, None)
    if known in (errors.InputError, errors.OutputError, errors.ConfigError, errors.CheckpointError):
        revived: SepvaeError = known(f"system {name}: {text}")
        return revived
    return InputError(f"system {name}: {text if kind == 'MissingExtra' else f'{kind}: {text}'}")


def _prepare(n_threads: int, level: int) -> None:
    """Give a process its threads and its log; bars are left to the process that waits for all."""
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(n_threads)
    progress.configure(quiet=True)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("sepvae: %(message)s"))
    logger = logging.getLogger("sepvae")
    logger.addHandler(handler)
    logger.setLevel(level)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: killed, it could stop none, and they would work on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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

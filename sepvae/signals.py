"""How a process ends: asked to, it closes what is open before it goes, and a worker goes with who started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from sepvae.errors import Terminated

# A scheduler may ask several times; what is being closed then is closed in peace.
_PATIENCE_S = 10.0
# How long a worker without a parent may take to close what is open.
_END_S = 5.0
# SIGTERM of a time limit or of `docker stop`, and of a terminal that was closed.
_REQUESTS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_PR_SET_PDEATHSIG = 1  # of Linux


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise Terminated in the block when this process is asked to end; for programs, in their main thread.

    What somebody else handles or ignores, as `nohup` does, stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = -_PATIENCE_S

    def end(number: int, _: FrameType | None) -> None:
        nonlocal asked
        now = time.monotonic()
        if now - asked >= _PATIENCE_S:
            asked = now
            raise Terminated(number)

    taken = [number for number in _REQUESTS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def ignore_from_here() -> None:
    """Let nobody stop a program that has done its work, while it ends: its exit code says what became of that."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_REQUESTS):
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Keep interrupts and requests to end from this thread, and from a process that it starts, until `let_through`."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *_REQUESTS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through() -> None:
    """Take the requests to end that were held back when this process was started."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _REQUESTS)


def end_with_parent(*, started_by: int, by_main_thread: bool) -> None:
    """Ask this process to end when the one that started it has gone: killed, it could stop none.

    A thread waits for that. On Linux the kernel tells of it too, also where another process has inherited the pipe that
    the thread waits for; but it would tell of the end of a mere thread, and is asked for main threads alone.
    """
    if by_main_thread and sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(started_by,), daemon=True).start()


def _watch(started_by: int) -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # It may have gone before anybody could watch.
    if sys.platform == "win32" or os.getppid() == started_by:
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_S)
    os._exit(1)

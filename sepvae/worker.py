"""What happens in a process of the pool, and what comes back from it: the other side of `processes`."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import Queue
from typing import Any, Generic, TypeVar, cast

from sepvae import errors, plugins, progress, signals
from sepvae.errors import InputError, KilledWorker, SepvaeError, Terminated

_LOGGER = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True)
class Result(Generic[R]):
    """What became of a task: its value, or an error as the name of its class and its text.

    `advice` is what to do about it, of an error that says only what happened; `cause` is the error itself where the
    task ran in this process.
    """

    name: str
    _value: R | None = None
    error: str = ""
    text: str = ""
    advice: str = ""
    cause: BaseException | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, work: Callable[..., R], *arguments: Any) -> Result[R]:
        """Return what comes of `work(*arguments)`."""
        try:
            return cls(name, work(*arguments))
        except Exception as error:
            _LOGGER.debug("%s", name, exc_info=True)
            return cls.failed(name, error)

    @classmethod
    def failed(cls, name: str, error: Exception) -> Result[R]:
        """Return the result of a task that raised an error: its class by the nearest name that all processes know."""
        known = next((kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__), type(error))
        return cls(name, error=known.__name__, text=str(error), cause=error)

    def value(self, where: str = "") -> R:
        """Return the value, or raise the error with `where` before its text.

        Raises:
            SepvaeError: of the class that the task raised; InputError for one that is none of ours.
        """
        if not self.error:
            return cast("R", self._value)
        kind: type[SepvaeError] = getattr(errors, self.error, InputError)
        text = self.text if hasattr(errors, self.error) else f"{self.error}: {self.text}"
        if self.advice:
            text = f"{text}: {self.advice}"
        if where := where or (self.name if kind is KilledWorker else ""):
            text = f"{where}: {text}"
        # MissingExtra makes its text itself, from other arguments.
        error = kind.__new__(kind, text)
        SepvaeError.__init__(error, text)
        raise error from self.cause


@dataclass(frozen=True)
class Setup:
    """What a worker has to know before it can be sent anything."""

    threads: int
    level: int
    plugins: tuple[str, ...]
    has_listeners: bool
    started_by: int
    by_main_thread: bool


class Relay:
    """The jobs of another process, told here as if they were of this one."""

    def __init__(self) -> None:
        self._jobs: dict[int, progress.Job] = {}

    def receive(self, event: progress.Event) -> None:
        """Take an event from the other process; Cancelled when a listener wants no more."""
        if event.kind == "start":
            self._jobs[event.job.id] = event.job
            event.job.begin()
        else:
            self._jobs[event.job.id].follow(event)
            if event.kind == "end":
                del self._jobs[event.job.id]

    def close(self) -> None:
        """End what is running: the other process has ended."""
        while self._jobs:
            self._jobs.popitem()[1].end()


class _ToParent(QueueHandler):
    """Sends messages to the process that shows them."""

    def __init__(self, send: Callable[[object], None]) -> None:
        super().__init__(Queue())
        self._send = send

    def enqueue(self, record: logging.LogRecord) -> None:
        # Who does not listen any more needs no message.
        with contextlib.suppress(ConnectionError):
            self._send(record)


def serve(pipe: Connection[Any, Any], setup: Setup) -> None:
    """Do the tasks that come through a pipe, as (name, pickled task), and send the result of each.

    Events of progress and records of the log are sent as they come. Before all tasks comes (work, prepare), which is
    answered with an empty result. Asked to end, it closes what is open.
    """
    # Ctrl-C goes to all processes of a terminal: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals.end_with_parent(started_by=setup.started_by, by_main_thread=setup.by_main_thread)
    try:
        with signals.raising():
            signals.let_through()
            _serve(pipe, setup)
    except Terminated as end:
        sys.exit(128 + end.number)


def _serve(pipe: Connection[Any, Any], setup: Setup) -> None:
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock:
            pipe.send(message)

    logger = logging.getLogger("sepvae")
    logger.addHandler(_ToParent(send))
    logger.setLevel(setup.level)
    # What is odd about a sound file was said by the process that listed it.
    logging.getLogger("sepvae.audio.readers").setLevel(logging.ERROR)
    if setup.has_listeners:
        progress.forward(send)
    else:
        progress.configure(quiet=True)
    # Who wants no more of this process closes the pipe.
    with contextlib.suppress(EOFError, ConnectionError), contextlib.ExitStack() as limits:
        begun: Result[Callable[[Any], Any]] = Result.of("a process", _begin, pipe, setup, limits)
        send(replace(begun, _value=None, cause=None))
        while not begun.error:
            name, data = pipe.recv()
            result = Result.of(name, _do, begun.value(), data)
            try:
                send(replace(result, cause=None))
            except ConnectionError:
                raise
            except Exception as error:
                send(replace(Result.failed(name, error), cause=None))


def _begin(pipe: Connection[Any, Any], setup: Setup, limits: contextlib.ExitStack) -> Callable[[Any], Any]:
    """Load plug-ins, which the work may come from, limit the threads of what is loaded then, and prepare."""
    plugins.load(setup.plugins)
    work, prepare = pipe.recv()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(setup.threads)
    limits.enter_context(limited(setup.threads))
    if prepare is not None:
        prepare()
    return cast("Callable[[Any], Any]", work)


def _do(work: Callable[[Any], R], data: bytes) -> R:
    return work(ForkingPickler.loads(data))


@contextlib.contextmanager
def limited(n_threads: int) -> Iterator[None]:
    """Limit the threads of NumPy's library, which only the optional threadpoolctl can do once it is loaded."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            stack.enter_context(importlib.import_module("threadpoolctl").threadpool_limits(n_threads))
        yield

"""Progress as events: a job tells listeners how far it is, and they can stop it; stderr shows a bar, or plain lines."""

from __future__ import annotations

import itertools
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sepvae.errors import Cancelled
from sepvae.progress_text import clock, joined, speed, summary, values

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

# A log wants to know now and then that a job lives and how far it is, and is no place for every step.
_LINE_EVERY_S = 30.0
_LINES_APART_S = 2.0
_LOOK_EVERY_S = 1.0
# Steps come faster than anybody can look, and what is sent to another process costs more than a step.
_SEND_EVERY_S = 0.5

_quiet = False
_ids = itertools.count()


@dataclass(frozen=True)
class Event:
    """What happened to a job; a milestone, such as the end of an epoch, is worth a line of its own."""

    kind: Literal["start", "update", "end"]
    job: Job
    milestone: bool = False


class Listener:
    """Gets the events of jobs, and can stop them; made by `listening`."""

    def __init__(self, callback: Callable[[Event], object]) -> None:
        self._callback: Callable[[Event], object] | None = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Let the jobs of the block raise `Cancelled` at their next step; may be called from any thread."""
        self.cancelled = True

    def notify(self, event: Event) -> None:
        """Pass an event on; a callback that fails gets no more of them, for hours of work do not end with a page."""
        if self._callback is not None:
            try:
                self._callback(event)
            except Exception:
                self._callback = None
                _LOGGER.warning("a listener to progress failed and is left out from here on", exc_info=True)


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
_outer: ContextVar[str] = ContextVar("outer", default="")


class Job:
    """A running job of `total` units, made by `progress`; those who listen read it, its owner calls the methods.

    `total` is None where nobody knows it, and `done` counts the units of an earlier run too, from `start` on. A job
    within another carries the other's description before its own.
    """

    def __init__(self, description: str, total: int | None, unit: str, start: int) -> None:
        self.id = next(_ids)
        self.description = f"{outer}: {description}" if (outer := _outer.get()) else description
        self.total, self.unit, self.start = total, unit, start
        self.done = start
        self.fields: dict[str, float] = {}
        self._started = time.monotonic()
        self._listeners: tuple[Listener, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the listeners to this process."""
        return {**vars(self), "_listeners": (), "fields": dict(self.fields)}

    @property
    def elapsed_s(self) -> float:
        """The seconds since it began."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float | None:
        """The units done in a second so far, without those of an earlier run."""
        elapsed = self.elapsed_s
        return (self.done - self.start) / elapsed if elapsed > 0 and self.done > self.start else None

    @property
    def seconds_left(self) -> float | None:
        """The seconds still to go at the speed so far."""
        rate = self.rate
        return (self.total - self.done) / rate if rate and self.total is not None else None

    def advance(self, count: int = 1) -> None:
        """Say that `count` more units are done; Cancelled when a listener wants no more."""
        self.done += count
        self._tell("update")

    def reach(self, done: int) -> None:
        """Say that `done` units are done, which may have been told before; errors as of `advance`."""
        if done > self.done:
            self.advance(done - self.done)

    def show(self, *, milestone: bool = False, **fields: float) -> None:
        """Give values, such as a loss, to be shown beside the units; errors as of `advance`."""
        self.fields = fields
        self._tell("update", milestone=milestone)

    def begin(self) -> None:
        """Tell the listeners of the block of a new job."""
        self._started = time.monotonic()
        self._listeners = (*_display(), *_listeners.get())
        self._tell("start")

    def follow(self, event: Event) -> None:
        """Take over what happened to the same job in another process."""
        self.done, self.fields, self.total = event.job.done, event.job.fields, event.job.total
        self._tell(event.kind, milestone=event.milestone)

    def end(self) -> None:
        """Tell that there is no more to come."""
        self._tell("end")

    def _tell(self, kind: Literal["start", "update", "end"], *, milestone: bool = False) -> None:
        event = Event(kind, self, milestone)
        for listener in self._listeners:
            listener.notify(event)
        if kind != "end" and any(listener.cancelled for listener in self._listeners):
            raise Cancelled(f"{self.description}: stopped at {self.done} {self.unit}: what was done is kept")


@contextmanager
def progress(description: str, total: int | None, *, unit: str = "items", start: int = 0) -> Iterator[Job]:
    """Tell the progress of a job while the block runs: on stderr, and to those who are `listening`.

    Args:
        description: what is being done, a word or two.
        total: number of units; None when it is not known.
        unit: their name in the plural.
        start: units done before, when a job is resumed.

    Raises:
        Cancelled: a listener wants no more.

    Example:
        >>> with progress("files", 2, unit="files") as job:
        ...     job.advance(1)
        ...     job.show(loss=0.5)
    """
    outer, job = _outer.get(), Job(description, total, unit, start)
    _outer.set(job.description)
    try:
        job.begin()
        yield job
    finally:
        _outer.set(outer)
        job.end()


def counting(description: str, items: Collection[T], *, unit: str = "items") -> Iterator[T]:
    """Yield items, and tell as a job how many are done; jobs that begin in between are no parts of it.

    Example:
        >>> list(counting("files", ["a", "b"], unit="files"))
        ['a', 'b']
    """
    job = Job(description, len(items), unit, 0)
    try:
        job.begin()
        for item in items:
            yield item
            job.advance()
    finally:
        job.end()


@contextmanager
def listening(callback: Callable[[Event], object]) -> Iterator[Listener]:
    """Tell a callback of every job that begins in the block, in this thread or in processes that it starts.

    Example:
        >>> seen = []
        >>> with listening(lambda event: seen.append((event.kind, event.job.done))) as listener:
        ...     with progress("files", 2, unit="files") as job:
        ...         job.advance()
        >>> seen
        [('start', 0), ('update', 1), ('end', 1)]
    """
    before, listener = _listeners.get(), Listener(callback)
    _listeners.set((*before, listener))
    try:
        yield listener
    finally:
        _listeners.set(before)


def check() -> None:
    """Raise `Cancelled` when a listener wants no more; for code that waits."""
    if any(listener.cancelled for listener in _listeners.get()):
        raise Cancelled("stopped while waiting: what was done is kept")


def configure(*, quiet: bool) -> None:
    """Switch what is shown on stderr off or on, for the rest of this process."""
    global _quiet
    _quiet = quiet


@contextmanager
def configured(*, quiet: bool) -> Iterator[None]:
    """Switch what is shown on stderr off or on in the block; for the command line, which knows what was asked for."""
    before = _quiet
    configure(quiet=quiet)
    try:
        yield
    finally:
        configure(quiet=before)


def has_listeners() -> bool:
    """Say whether the jobs that begin now are shown or listened to."""
    return not _quiet or bool(_listeners.get())


def forward(send: Callable[[Event], object]) -> None:
    """Send all events of this process to another one, and show none here."""
    sent: dict[int, float] = {}

    def pass_on(event: Event) -> None:
        now = time.monotonic()
        often = event.kind == "update" and now - sent.get(event.job.id, -math.inf) < _SEND_EVERY_S
        if event.milestone or not often:
            sent[event.job.id] = now
            send(event)
        if event.kind == "end":
            del sent[event.job.id]

    configure(quiet=True)
    _listeners.set((Listener(pass_on),))


class _Lines:
    """Plain lines for logs and pipes: of each milestone, of each half minute, and how long a job took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The running jobs in the order of their start, and when the last line about each was written.
        self._written_at: dict[Job, float] = {}
        self._last = self._silent_since = -math.inf
        self._about = ""
        self._stop = threading.Event()

    def __call__(self, event: Event) -> None:
        with self._lock:
            job, now = event.job, time.monotonic()
            if event.kind == "start":
                if not self._written_at:
                    self._silent_since, self._stop = now, threading.Event()
                    threading.Thread(target=self._watch, args=(self._stop,), daemon=True).start()
                self._written_at[job] = now
            elif event.kind == "end":
                del self._written_at[job]
                if not self._written_at:
                    self._stop.set()
                # The end of a whole is told by that of its last part.
                of_a_part = job.total == 1 and self._about.startswith(f"{job.description}: ")
                if job.elapsed_s >= _LINES_APART_S and not (of_a_part and now - self._last < _LINES_APART_S):
                    self._write(job, summary(job))
            else:
                if event.milestone:
                    # Where it comes too early after another line, the next update tells of it.
                    self._written_at[job] = -math.inf
                # At the end comes the line of the end.
                if now - self._written_at[job] >= _LINE_EVERY_S and job.done != job.total:
                    self._line(job, now)

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_EVERY_S):
            self.beat()

    def beat(self) -> None:
        """Write a line when there was none for long: one unit may take minutes."""
        with self._lock:
            now = time.monotonic()
            if self._written_at and now - self._silent_since >= _LINE_EVERY_S:
                job = [*self._written_at][-1]
                self._line(job, now, f"{clock(job.elapsed_s)} so far")

    def _line(self, job: Job, now: float, more: str = "") -> None:
        if now - self._last < _LINES_APART_S:
            return
        self._written_at[job] = now
        share = "" if job.total == 1 else f"{job.done} {job.unit}"
        if job.total is not None and job.total > 1:
            share = f"{100 * job.done // job.total} % of {job.total} {job.unit}"
        left = f"{clock(job.seconds_left)} left" if job.seconds_left else ""
        self._write(job, joined(share, more, speed(job), left, values(job)))

    def _write(self, job: Job, text: str) -> None:
        self._last = self._silent_since = time.monotonic()
        self._about = job.description
        sys.stderr.write(f"{job.description}: {text}\n")
        sys.stderr.flush()


class _Terminal:
    """Live bars with speed and time left, one for each running job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: Any = None
        self._tasks: dict[Job, Any] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            job = event.job
            if event.kind == "start":
                self._bars = self._bars or self._open()
                texts = {"unit": job.unit, "speed": "", "values": ""}
                self._tasks[job] = self._bars.add_task(job.description, total=job.total, completed=job.start, **texts)
                return
            task = self._tasks[job]
            self._bars.update(task, completed=job.done, speed=speed(job), values=values(job))
            if event.kind == "end":
                del self._tasks[job]
                self._close(task, job)

    def _close(self, task: Any, job: Job) -> None:
        """Leave the last bar as it stands; of others a line stays, if they took long enough to wonder."""
        if not self._tasks:
            self._bars.stop()
            self._bars = None
            return
        self._bars.remove_task(task)
        if job.elapsed_s >= _LINES_APART_S:
            self._bars.console.print(f"{job.description}: {summary(job)}", markup=False, highlight=False)

    @staticmethod
    def _open() -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        # Without markup: a name in square brackets is a name.
        bars = Progress(
            TextColumn("{task.description:<20}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            TextColumn("{task.fields[values]}", markup=False),
            console=Console(stderr=True),
            # Above the bars goes what is written to the same terminal, but results in a file or pipe stay there.
            redirect_stdout=sys.stdout.isatty(),
        )
        bars.start()
        return bars


_LINES, _TERMINAL = _Lines(), _Terminal()


def _display() -> tuple[Listener, ...]:
    """Return who shows a new job on stderr."""
    return () if _quiet else (Listener(_TERMINAL if sys.stderr.isatty() else _LINES),)

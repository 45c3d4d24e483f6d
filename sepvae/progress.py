"""The one progress helper: a bar on a terminal, a few plain lines elsewhere, nothing when quiet; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# A log file wants to know that a job lives and how far it is, not every step.
_LINES_PER_BAR = 5
_LINE_EVERY_S = 2.0

_quiet = False


def configure(*, quiet: bool) -> None:
    """Switch all progress off or on; for the command line, which knows what the user asked for."""
    global _quiet
    _quiet = quiet


class Bar:
    """A running job of `total` units; made by `progress`."""

    def __init__(self, description: str, total: int, unit: str, start: int) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self._start = start, start
        self._started = time.monotonic()
        self._fields: dict[str, Any] = {}

    def advance(self, count: int = 1) -> None:
        """Say that `count` more units are done."""
        self.done += count
        self._draw()

    def show(self, **fields: float) -> None:
        """Show values, such as a loss, beside the bar."""
        self._fields = fields
        self._draw()

    def fields(self) -> str:
        """Return the values as text."""
        return " ".join(f"{name} {value:.4g}" for name, value in self._fields.items())

    def rate(self) -> float | None:
        """Return the units done in a second so far, without those of an earlier run."""
        elapsed = time.monotonic() - self._started
        return (self.done - self._start) / elapsed if elapsed > 0 and self.done > self._start else None

    def eta_s(self) -> float | None:
        """Return the seconds still to go at the speed so far."""
        rate = self.rate()
        return (self.total - self.done) / rate if rate else None

    def speed(self) -> str:
        """Return the rate as text: of slow units, how long one takes."""
        rate = self.rate()
        if rate is None:
            return ""
        if rate < 1:
            return f"{1 / rate:.2g} s each" if rate > 1 / 60 else f"{_clock(1 / rate)} each"
        return f"{rate:.2g} {self.unit}/s" if rate < 100 else f"{rate:.0f} {self.unit}/s"

    def _draw(self) -> None:
        """Show the state; the quiet bar shows nothing."""

    def close(self) -> None:
        """End the display."""


class _Lines(Bar):
    """Plain lines for logs and pipes: one at each fifth of the way, and not more often than every two seconds."""

    def __init__(self, description: str, total: int, unit: str, start: int) -> None:
        super().__init__(description, total, unit, start)
        self._last_share, self._last_time = self.share(), self._started

    def share(self) -> int:
        """Return how many fifths are done."""
        return self.done * _LINES_PER_BAR // max(self.total, 1)

    def _draw(self) -> None:
        now, share = time.monotonic(), self.share()
        if share > self._last_share and now - self._last_time >= _LINE_EVERY_S:
            self._last_share, self._last_time = share, now
            self._line()

    def _line(self) -> None:
        eta = self.eta_s()
        left = f"{_clock(eta)} left" if eta is not None and self.done < self.total else ""
        share = f"{100 * self.done // max(self.total, 1)} % of {self.total} {self.unit}"
        self._say(share, self.speed(), left, self.fields())

    def _say(self, *parts: str) -> None:
        sys.stderr.write(f"{self.description}: {', '.join(part for part in parts if part)}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Say how long it took, when that was long enough to wonder."""
        elapsed = time.monotonic() - self._started
        if elapsed >= _LINE_EVERY_S:
            self._say(f"{self.done} {self.unit} in {_clock(elapsed)}", self.fields())


class _Terminal(Bar):
    """A live bar with speed and time left."""

    def __init__(self, description: str, total: int, unit: str, start: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(description, total, unit, start)
        # Without markup: a name in square brackets is a name.
        self._progress = Progress(
            TextColumn("{task.description:<20}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit, markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            TextColumn("{task.fields[values]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(description, total=total, completed=start, speed="", values="")
        self._progress.start()

    def _draw(self) -> None:
        self._progress.update(self._task, completed=self.done, speed=self.speed(), values=self.fields())

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress(description: str, total: int, *, unit: str = "items", start: int = 0) -> Iterator[Bar]:
    """Show the progress of a job on stderr while the block runs.

    Args:
        description: what is being done, a word or two.
        total: number of units.
        unit: their name in the plural.
        start: units done before, when a job is resumed.

    Example:
        >>> with progress("files", 2, unit="files") as bar:
        ...     bar.advance(1)
        ...     bar.show(loss=0.5)
    """
    kind = Bar if _quiet else _Terminal if sys.stderr.isatty() else _Lines
    bar = kind(description, total, unit, start)
    try:
        yield bar
    finally:
        bar.close()

"""What is told of a job, as text: its values, its speed, what it has done and how long that took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Told(Protocol):
    """What is told of a job, see `sepvae.progress.Job`."""

    total: int | None
    done: int
    start: int
    unit: str

    @property
    def fields(self) -> Mapping[str, float]:
        """Values beside the units."""
        ...

    @property
    def rate(self) -> float | None:
        """Units in a second."""
        ...

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        ...


def values(job: Told) -> str:
    """Return the fields of a job as text."""
    return " ".join(f"{name} {value:.4g}" for name, value in job.fields.items())


def speed(job: Told) -> str:
    """Return the rate of a job as text: of slow units, how long one takes."""
    rate = job.rate
    if rate is None:
        return ""
    if rate < 1:
        return f"{1 / rate:.2g} s each" if rate > 1 / 60 else f"{clock(1 / rate)} each"
    return f"{rate:.2g} {job.unit}/s" if rate < 100 else f"{rate:.0f} {job.unit}/s"


def summary(job: Told) -> str:
    """Return what a job has done, without an earlier run, and how long it took."""
    amount = f"{job.done - job.start} {job.unit} in"
    if job.total == 1:
        amount = "done in" if job.done else "stopped after"
    return joined(f"{amount} {clock(job.elapsed_s)}", values(job))


def joined(*parts: str) -> str:
    """Return the parts that are not empty, with commas between them."""
    return ", ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, or as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

"""What a measure is: the signals that it receives, the scores that it returns, and what it says of itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Signal = NDArray[np.float64]


class Refused(NamedTuple):
    """A measure that has no value, and the reason, such as `silent_reference`."""

    reason: str


Score = float | Refused
# One list of scores per set of estimates, in the order of the sources.
Scores = list[list[Score]]

# Beyond this a ratio of energies is the rounding of its smaller one, and says that nothing is left of it.
_ROUNDING_DB = 200.0


@dataclass(frozen=True)
class ItemSignals:
    """One item: its sources, several sets of estimates of them, and the noise of the mixture if it is known.

    `references` is (n_sources, time), `estimates` (n_sets, n_sources, time), `noise` (time,), all float64. The first
    set of estimates is the mixture itself, unprocessed, as an estimate of each source.
    """

    references: Signal
    estimates: Signal
    noise: Signal | None
    sample_rate: int
    _shared: dict[Callable[[ItemSignals], Any], Any] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def refusals(self) -> list[list[Refused | None]]:
        """What no measure can score, for each set of estimates and each source."""
        references = [_defect(reference, "silent_reference") for reference in self.references]
        return [
            [
                known or _defect(estimate, "silent_estimate")
                for known, estimate in zip(references, estimates, strict=True)
            ]
            for estimates in self.estimates
        ]

    def once(self, compute: Callable[[ItemSignals], T]) -> T:
        """Return what a function makes of the item; measures that share it have it computed once."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        shared: T = self._shared[compute]
        return shared


def _defect(signal: Signal, silent: str) -> Refused | None:
    if signal.size == 0:
        return Refused("too_short")
    if not np.isfinite(signal).all():
        return Refused("not_finite")
    return None if signal.any() else Refused(silent)


Better = Literal["higher", "lower"]
# Where a page shows a measure beside its table: by a violin, by the tests between systems, under each sound.
Place = Literal["violin", "test", "player"]
_PLACES: tuple[Place, ...] = ("violin", "test")


class Description(NamedTuple):
    """How a measure is shown: short label, unit (empty when it has none), decimals, which values are better, and where.

    `better` is None of a measure that is not known: no value of it is marked as the best.
    """

    label: str
    unit: str = ""
    decimals: int = 2
    better: Better | None = "higher"
    shown: tuple[Place, ...] = _PLACES

    @property
    def heading(self) -> str:
        """Label with its unit, as an axis or a column says it, and a word where lower values are better."""
        notes = [self.unit] if self.unit else []
        notes += ["lower is better"] if self.better == "lower" else []
        return f"{self.label} ({', '.join(notes)})" if notes else self.label

    @property
    def improvement(self) -> Description:
        """How much better than the unprocessed mixture: positive where it is, and shown in tables alone."""
        return self._replace(label=f"{self.label} gain", better="higher", shown=())


class Measure:
    """An entry of `MEASURES`, made by the decorator `measure`: scores every estimate of an item.

    Attributes:
        description: how it is shown.
        ignores_scale: whether an estimate at another level, and nothing else, has the same score.
        needs_noise: whether there are no scores without the noise of the mixture.
        load_package: loads what the measure is computed with, and logs that it is missing where it is; None without.
    """

    def __init__(
        self,
        score: Callable[[ItemSignals], Scores],
        description: Description,
        *,
        ignores_scale: bool,
        needs_noise: bool,
        load_package: Callable[[], object] | None,
    ) -> None:
        self._score, self.description, self.load_package = score, description, load_package
        self.ignores_scale, self.needs_noise = ignores_scale, needs_noise
        # It is found and registered under the name of the function.
        functools.update_wrapper(self, score)

    def __call__(self, item: ItemSignals) -> Scores:
        """Return a score or a reason for each estimate."""
        return self._score(item)


def measure(
    label: str,
    unit: str = "",
    decimals: int = 2,
    *,
    better: Better = "higher",
    shown: tuple[Place, ...] = _PLACES,
    ignores_scale: bool = False,
    needs_noise: bool = False,
    load_package: Callable[[], object] | None = None,
) -> Callable[[Callable[[ItemSignals], Scores]], Measure]:
    """Make a measure of a function of an item; what it says of itself is as of `Description` and `Measure`.

    Example:
        >>> @measure("MSE", decimals=4, better="lower")
        ... @pairwise
        ... def squared_error(reference, estimate, sample_rate):
        ...     return float(np.mean((reference - estimate) ** 2))
        >>> squared_error(ItemSignals(np.ones((1, 8)), np.full((1, 1, 8), 3.0), None, 8000))
        [[4.0]]
    """
    description = Description(label, unit, decimals, better, shown)

    def wrap(score: Callable[[ItemSignals], Scores]) -> Measure:
        return Measure(
            score, description, ignores_scale=ignores_scale, needs_noise=needs_noise, load_package=load_package
        )

    return wrap


def pairwise(score: Callable[[Signal, Signal, int], Score]) -> Callable[[ItemSignals], Scores]:
    """Make a function of an item from one of (reference, estimate, sample rate); it sees no defective signals."""

    @functools.wraps(score)
    def score_item(item: ItemSignals) -> Scores:
        return [
            [
                refused or score(reference, estimate, item.sample_rate)
                for refused, reference, estimate in zip(refusals, item.references, estimates, strict=True)
            ]
            for refusals, estimates in zip(item.refusals, item.estimates, strict=True)
        ]

    return score_item


def decibels(value: float) -> Score:
    """Return a ratio in dB as a score: one that rounding decides, infinite ones among them, is refused."""
    if np.isnan(value):
        return Refused("undefined")
    if abs(value) > _ROUNDING_DB:
        return Refused("infinite" if value > 0 else "minus_infinite")
    return float(value)

"""What a measure receives and returns: the signals of one item, and for each estimate a value or a reason for none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


class Refused(NamedTuple):
    """A measure that has no value, and the reason, such as `silent_reference`."""

    reason: str


Outcome = float | Refused
# One list of outcomes per set of estimates, in the order of the sources.
Outcomes = list[list[Outcome]]

# Beyond this a ratio of energies is the rounding of its smaller one, and says that nothing is left of it.
_ROUNDING_DB = 200.0


@dataclass(frozen=True)
class Trial:
    """One item: its sources, several sets of estimates of them, and the noise of the mixture if it is known.

    `references` is (n_sources, time), `estimates` (n_sets, n_sources, time), `noise` (time,), all float64.
    """

    references: Signal
    estimates: Signal
    noise: Signal | None
    sample_rate: int

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


def _defect(signal: Signal, silent: str) -> Refused | None:
    if signal.size == 0:
        return Refused("too_short")
    if not np.isfinite(signal).all():
        return Refused("not_finite")
    return None if signal.any() else Refused(silent)


class Measure(Protocol):
    """Scores every estimate of a trial, by one or several measures that share their work."""

    def __call__(self, trial: Trial) -> dict[str, Outcomes]:
        """Return the outcomes by name of the measure."""
        ...


def pairwise(name: str, measure: Callable[[Signal, Signal, int], Outcome]) -> Measure:
    """Make a measure of a trial from a function of (reference, estimate, sample rate)."""

    def score(trial: Trial) -> dict[str, Outcomes]:
        return {
            name: [
                [
                    refused or measure(reference, estimate, trial.sample_rate)
                    for refused, reference, estimate in zip(refusals, trial.references, estimates, strict=True)
                ]
                for refusals, estimates in zip(trial.refusals, trial.estimates, strict=True)
            ]
        }

    return score


def decibels(value: float) -> Outcome:
    """Return a ratio in dB as an outcome: one that rounding decides, infinite ones among them, is refused."""
    if np.isnan(value):
        return Refused("undefined")
    if abs(value) > _ROUNDING_DB:
        return Refused("infinite" if value > 0 else "minus_infinite")
    return float(value)

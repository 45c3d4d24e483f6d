"""The words and colours of the page: how measures and values are written, and what colour each role has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from sepvae.config import Config, parse_config
from sepvae.evaluation import MEASURES
from sepvae.evaluation.contract import Description, Place
from sepvae.evaluation.measures import describe

# Light-mode colours, at least 4.5:1 on white; the page exchanges them for its own variables.
COLOURS = {
    "floor": "#5f6875",
    "baseline": "#a65100",
    "ours": "#1f57b8",
    "informed": "#6b3fb5",
    "ceiling": "#1e7350",
    "ink": "#1b2430",
    "rule": "#d9dee5",
    "muted": "#5a6472",
}


# What systems that know speakers are asked to name, in the results of a recipe.
NAMED = ("clean", "separated")


class _Facts(Config):
    """What results say of a measure."""

    name: str
    label: str
    unit: str
    decimals: int = Field(ge=0, le=12)
    better: Literal["higher", "lower"]
    shown: tuple[Place, ...]


class Measures:
    """The measures of a page, as they were described when they were taken; others are those of the table.

    Example:
        >>> measures = Measures({"lsd": Description("LSD", "dB", 1, "lower")})
        >>> measures["lsd"].heading, measures.ordered(["si_sdr", "lsd"]), measures.write(-1.234, "lsd")
        ('LSD (dB, lower is better)', ['lsd', 'si_sdr'], '−1.2')
    """

    def __init__(self, described: Mapping[str, Description]) -> None:
        self._described = dict(described)

    def __getitem__(self, name: str) -> Description:
        """Return how a measure or improvement is shown; an unknown one keeps its name."""
        return describe(name, self._described)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return the distinct measures in the order that they were described in, and of the table; others last."""
        order = list(dict.fromkeys((*self._described, *MEASURES)))
        return sorted(dict.fromkeys(names), key=lambda name: order.index(name) if name in order else len(order))

    def shown(self, names: Iterable[str], place: Place) -> list[str]:
        """Return those of some measures that are shown at a place."""
        return [name for name in names if place in self[name].shown]

    def write(self, value: object, name: str) -> str:
        """Return a score with the decimals of its measure."""
        return format_value(value, self[name].decimals)


def read_measures(stored: Iterable[Mapping[str, Any]]) -> Measures:
    """Return the measures that `results.json` has under `measure_facts`."""
    described = {}
    for one in stored:
        facts = parse_config(_Facts, one, where="measure_facts")
        described[facts.name] = Description(facts.label, facts.unit, facts.decimals, facts.better, facts.shown)
    return Measures(described)


def is_number(value: object) -> bool:
    """Return whether a score is there: a finite number, not NaN, infinity or None."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def format_value(value: object, decimals: int) -> str:
    """Return a number with so many decimals and a true minus sign; a dash when there is none.

    Example:
        >>> format_value(-1.234, 2), format_value(float("nan"), 3)
        ('−1.23', '–')
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")


def p_text(value: object) -> str:
    """Return a p-value as it is written; a dash when there is none.

    Example:
        >>> p_text(0.0123), p_text(0.0002), p_text(None)
        ('0.012', '< 0.001', '–')
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def name_counts(counts: Mapping[str, Any]) -> dict[str, str]:
    """Return how many speakers a system knows, and of how many it named the right one.

    Example:
        >>> one = {"classes": 12, "clean": {"right": 3, "of": 4}, "separated": {"right": 0, "of": 0}}
        >>> name_counts(one)
        {'classes': '12', 'clean': '75 % (3 of 4)', 'separated': '–'}
    """

    def share(right: int, of: int) -> str:
        return f"{100 * right / of:.0f} % ({right} of {of})" if of else "–"

    return {"classes": str(counts["classes"]), **{kind: share(**counts[kind]) for kind in NAMED}}


def reason_text(reasons: Mapping[str, str], measure: str) -> str:
    """Return the reason code of a missing value in words (`silent_reference` as "silent reference")."""
    return reasons.get(measure, "no value").replace("_", " ")

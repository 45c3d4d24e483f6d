"""The words and colours of the page: how measures and values are written, and what colour each role has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sepvae.evaluation import MEASURES
from sepvae.evaluation.contract import Description
from sepvae.evaluation.measures import describe

# Of a recogniser's output, which no measure of sounds scores.
_OF_PHONES = {"phone_accuracy": Description("Phones", "%", 1), "frame_accuracy": Description("Frames", "%", 1)}

# Light-mode colours, at least 4.5:1 on white; the page exchanges them for its own variables.
COLOURS = {
    "floor": "#5f6875",
    "baseline": "#a65100",
    "ours": "#1f57b8",
    "ceiling": "#1e7350",
    "ink": "#1b2430",
    "rule": "#d9dee5",
    "muted": "#5a6472",
}


def measure_of(name: str) -> Description:
    """Return how the measure `name` is shown; an unknown one keeps its name."""
    return _OF_PHONES.get(name) or describe(name)


def ordered_measures(measures: Iterable[str]) -> list[str]:
    """Return the distinct measures in the order of the tables, unknown ones last."""
    order = [*MEASURES, *_OF_PHONES]
    distinct = dict.fromkeys(measures)
    return sorted(distinct, key=lambda name: order.index(name) if name in order else len(order))


def is_number(value: object) -> bool:
    """Return whether a score is there: a finite number, not NaN, infinity or None."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def format_value(value: object, measure: str) -> str:
    """Return a score with the decimals of its measure and a true minus sign; a dash when there is none.

    Example:
        >>> format_value(-1.234, "si_sdr"), format_value(float("nan"), "stoi")
        ('−1.23', '–')
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    text = f"{value:.{measure_of(measure).decimals}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")


def reason_text(reasons: Mapping[str, str], measure: str) -> str:
    """Return the reason code of a missing value in words (`silent_reference` as "silent reference")."""
    return reasons.get(measure, "no value").replace("_", " ")

"""The words and colours of the page: how measures and values are written, and what colour each role has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class MeasureFormat(NamedTuple):
    """How a measure is shown: short label, unit (empty when it has none), decimals."""

    label: str
    unit: str
    decimals: int

    @property
    def heading(self) -> str:
        """Label with its unit, as an axis or a column says it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


# In the order of the tables; every name is that of sepvae.evaluation.
MEASURES: dict[str, MeasureFormat] = {
    "sdr_bsseval_v3_512": MeasureFormat("SDR", "dB", 2),
    "sir_bsseval_v3_512": MeasureFormat("SIR", "dB", 2),
    "sar_bsseval_v3_512": MeasureFormat("SAR", "dB", 2),
    "snr": MeasureFormat("SNR", "dB", 2),
    "si_sdr": MeasureFormat("SI-SDR", "dB", 2),
    "stoi": MeasureFormat("STOI", "", 3),
    "estoi": MeasureFormat("ESTOI", "", 3),
    "pesq_nb": MeasureFormat("PESQ NB", "", 2),
    "pesq_wb": MeasureFormat("PESQ WB", "", 2),
    "phone_accuracy": MeasureFormat("Phones", "%", 1),
    "frame_accuracy": MeasureFormat("Frames", "%", 1),
}
IMPROVEMENT = "_improvement"

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


def measure_of(name: str) -> MeasureFormat:
    """Return how the measure `name` is shown; an unknown one keeps its name.

    Example:
        >>> measure_of("sdr_bsseval_v3_512_improvement").heading
        'SDR gain (dB)'
    """
    base = name.removesuffix(IMPROVEMENT)
    known = MEASURES.get(base, MeasureFormat(base, "", 3))
    return known if base == name else known._replace(label=f"{known.label} gain")


def ordered_measures(measures: Iterable[str]) -> list[str]:
    """Return the distinct measures in the order of the tables, unknown ones last."""
    order = list(MEASURES)
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

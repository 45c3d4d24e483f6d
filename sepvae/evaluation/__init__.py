"""Scores of separated sources: measures with a value or a reason, their statistics, tables and files.

Names are loaded on first use, so that reading a table of scores does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sepvae.errors import ConfigError
from sepvae.tables import Table, unknown

if TYPE_CHECKING:
    from sepvae.evaluation.bsseval import BssEval, bss_eval_noise, bss_eval_sources
    from sepvae.evaluation.contract import Description, measure, pairwise
    from sepvae.evaluation.many import ScoreTask, score_many
    from sepvae.evaluation.measures import describe, score, score_systems
    from sepvae.evaluation.ratios import si_sdr, snr
    from sepvae.evaluation.rows import ScoreRow, read_rows, write_rows
    from sepvae.evaluation.statistics import (
        Comparison,
        Summaries,
        Summary,
        compare_systems,
        holm,
        summarise,
        summarise_groups,
    )
    from sepvae.evaluation.table import format_table

MEASURES = Table(
    "measure",
    {
        "sdr_bsseval_v3_512": "sepvae.evaluation.decomposition:sdr",
        "sir_bsseval_v3_512": "sepvae.evaluation.decomposition:sir",
        "sar_bsseval_v3_512": "sepvae.evaluation.decomposition:sar",
        "snr_bsseval_v3_512": "sepvae.evaluation.decomposition:snr_of_noise",
        "snr": "sepvae.evaluation.ratios:snr_measure",
        "si_sdr": "sepvae.evaluation.ratios:si_sdr_measure",
        "stoi": "sepvae.evaluation.intelligibility:stoi_measure",
        "estoi": "sepvae.evaluation.intelligibility:estoi_measure",
        "pesq_nb": "sepvae.evaluation.perceptual:pesq_nb_measure",
        "pesq_wb": "sepvae.evaluation.perceptual:pesq_wb_measure",
    },
)

# Behind the name of a measure: how much better it is than that of the unprocessed mixture.
IMPROVEMENT = "_improvement"

_HOMES = {
    "bsseval": ("BssEval", "bss_eval_noise", "bss_eval_sources"),
    "many": ("ScoreTask", "score_many"),
    "contract": ("Description", "measure", "pairwise"),
    "measures": ("describe", "score", "score_systems"),
    "ratios": ("si_sdr", "snr"),
    "rows": ("ScoreRow", "read_rows", "write_rows"),
    "statistics": ("Comparison", "Summaries", "Summary", "compare_systems", "holm", "summarise", "summarise_groups"),
    "table": ("format_table",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "IMPROVEMENT",
    "MEASURES",
    "BssEval",
    "Comparison",
    "Description",
    "ScoreRow",
    "ScoreTask",
    "Summaries",
    "Summary",
    "bss_eval_noise",
    "bss_eval_sources",
    "compare_systems",
    "describe",
    "format_table",
    "holm",
    "known_measure",
    "measure",
    "measure_names",
    "pairwise",
    "read_rows",
    "score",
    "score_many",
    "score_systems",
    "si_sdr",
    "snr",
    "summarise",
    "summarise_groups",
    "write_rows",
]


def measure_names() -> list[str]:
    """Return the names of all measures, each followed by that of its improvement over the unprocessed mixture."""
    return [name + suffix for name in MEASURES for suffix in ("", IMPROVEMENT)]


def known_measure(name: str) -> str:
    """Return the name of a measure or improvement; ConfigError with the choices when there is no such one."""
    if name.removesuffix(IMPROVEMENT) not in MEASURES:
        raise ConfigError(unknown("measure", name, measure_names()))
    return name


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)

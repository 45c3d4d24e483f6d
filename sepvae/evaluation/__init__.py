"""Scores of separated sources: measures with a value or a reason, their statistics, tables and files.

Names are loaded on first use, so that reading a table of scores does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sepvae.evaluation.bsseval import BssEval, bss_eval_noise, bss_eval_sources
    from sepvae.evaluation.many import ScoreTask, score_many
    from sepvae.evaluation.measures import MEASURE_NAMES, score, score_systems
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

_HOMES = {
    "bsseval": ("BssEval", "bss_eval_noise", "bss_eval_sources"),
    "many": ("ScoreTask", "score_many"),
    "measures": ("MEASURE_NAMES", "score", "score_systems"),
    "ratios": ("si_sdr", "snr"),
    "rows": ("ScoreRow", "read_rows", "write_rows"),
    "statistics": ("Comparison", "Summaries", "Summary", "compare_systems", "holm", "summarise", "summarise_groups"),
    "table": ("format_table",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "MEASURE_NAMES",
    "BssEval",
    "Comparison",
    "ScoreRow",
    "ScoreTask",
    "Summaries",
    "Summary",
    "bss_eval_noise",
    "bss_eval_sources",
    "compare_systems",
    "format_table",
    "holm",
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


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)

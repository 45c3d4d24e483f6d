"""Scores of separated sources: measures with a value or a reason, their statistics, tables and files.

Names are loaded on first use, so that reading a table of scores does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sepvae.errors import ConfigError
from sepvae.tables import Table, unknown

if TYPE_CHECKING:
    from sepvae.evaluation.bsseval import BssEval as BssEval
    from sepvae.evaluation.bsseval import bss_eval_noise as bss_eval_noise
    from sepvae.evaluation.bsseval import bss_eval_sources as bss_eval_sources
    from sepvae.evaluation.contract import Description as Description
    from sepvae.evaluation.contract import measure as measure
    from sepvae.evaluation.contract import pairwise as pairwise
    from sepvae.evaluation.many import ScoreTask as ScoreTask
    from sepvae.evaluation.many import score_many as score_many
    from sepvae.evaluation.measures import describe as describe
    from sepvae.evaluation.measures import score as score
    from sepvae.evaluation.measures import score_systems as score_systems
    from sepvae.evaluation.ratios import si_sdr as si_sdr
    from sepvae.evaluation.ratios import snr as snr
    from sepvae.evaluation.rows import ScoreRow as ScoreRow
    from sepvae.evaluation.rows import read_rows as read_rows
    from sepvae.evaluation.rows import write_rows as write_rows
    from sepvae.evaluation.statistics import Comparison as Comparison
    from sepvae.evaluation.statistics import Summaries as Summaries
    from sepvae.evaluation.statistics import Summary as Summary
    from sepvae.evaluation.statistics import compare_systems as compare_systems
    from sepvae.evaluation.statistics import holm as holm
    from sepvae.evaluation.statistics import summarise as summarise
    from sepvae.evaluation.table import format_table as format_table

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
    "statistics": ("Comparison", "Summaries", "Summary", "compare_systems", "holm", "summarise"),
    "table": ("format_table",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


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

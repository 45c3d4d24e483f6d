"""Scores of separated sources: measures with a value or a reason, their statistics, tables and files."""

from __future__ import annotations

from typing import Literal, get_args

from sepvae.errors import ConfigError
from sepvae.tables import Table, unknown

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

# How the files of a folder lie, how mixtures are called by sepvae, WSJ0-2mix and LibriMix, and which estimate is scored
# for a source: the one of its name, or that of the best permutation.
Layout = Literal["item/source", "source/item"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
MIXTURES = ("mixture", "mix", "mix_clean", "mix_both")
Permutation = Literal["fixed", "best"]
PERMUTATIONS: tuple[Permutation, ...] = get_args(Permutation)

# Behind the name of a measure: how much better it is than that of the unprocessed mixture, positive when it is better,
# also where lower values are.
IMPROVEMENT = "_improvement"


def measure_names() -> list[str]:
    """Return the names of all measures, each followed by that of its improvement over the unprocessed mixture."""
    return [name + suffix for name in MEASURES for suffix in ("", IMPROVEMENT)]


def known_measure(name: str) -> str:
    """Return the name of a measure or improvement; ConfigError with the choices when there is no such one."""
    if name.removesuffix(IMPROVEMENT) not in MEASURES:
        raise ConfigError(unknown("measure", name, measure_names()))
    MEASURES.check(name.removesuffix(IMPROVEMENT))
    return name

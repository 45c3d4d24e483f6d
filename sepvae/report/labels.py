"""The words and colours of the report: how systems, measures, roles and values are called on the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Measure(NamedTuple):
    """How a measure is shown: short label, unit (empty when it has none), decimals."""

    label: str
    unit: str
    decimals: int

    @property
    def heading(self) -> str:
        """Label with its unit, as an axis or a column says it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


# In the order of the tables; every name is that of sepvae.evaluation.
MEASURES: dict[str, Measure] = {
    "sdr_bsseval_v3_512": Measure("SDR", "dB", 2),
    "sir_bsseval_v3_512": Measure("SIR", "dB", 2),
    "sar_bsseval_v3_512": Measure("SAR", "dB", 2),
    "snr": Measure("SNR", "dB", 2),
    "si_sdr": Measure("SI-SDR", "dB", 2),
    "stoi": Measure("STOI", "", 3),
    "estoi": Measure("ESTOI", "", 3),
    "pesq_nb": Measure("PESQ NB", "", 2),
    "pesq_wb": Measure("PESQ WB", "", 2),
    "phone_accuracy": Measure("Phones", "%", 1),
    "frame_accuracy": Measure("Frames", "%", 1),
}
IMPROVEMENT = "_improvement"

# What a system is in the comparison, in the order of the tables. What others published and a recipe sets beside the
# toolkit's own is a baseline.
ROLES = ("floor", "baseline", "ours", "ceiling")
_SYSTEMS_OF_ROLE = {
    "floor": ("mixture", "none"),
    "baseline": (
        *("kl_nmf", "is_nmf", "ica", "wavelet", "filter_bank", "bpf", "vae_bpf", "conv_tasnet", "classical"),
        *("mlae", "gan", "wgan", "ae_wgan", "cdae", "vrnn", "itl_ae_cs", "itl_ae_ed", "vass", "weak_class_vae"),
        *("complex_vae", "complex_vae_bpf", "auxiva", "ilrma", "fastmnmf2"),
    ),
    "ceiling": ("ideal_ratio_mask", "ideal_wiener", "oracle_demixing"),
}
_ROLE_OF = {system: role for role, systems in _SYSTEMS_OF_ROLE.items() for system in systems}
_SYSTEM_LABELS = {
    "mixture": "Mixture",
    "ideal_ratio_mask": "Ideal ratio mask",
    "ideal_wiener": "Ideal Wiener",
    "kl_nmf": "KL-NMF",
    "is_nmf": "IS-NMF",
    "vae": "VAE",
    "beta_vae": "β-VAE",
    "itl_ae_cs": "ITL-AE (CS)",
    "itl_ae_ed": "ITL-AE (ED)",
    "complex_vae": "Complex VAE",
    "bpf": "BPF",
    "vae_bpf": "VAE + BPF",
    "complex_vae_bpf": "Complex VAE + BPF",
    "mlae": "MLAE",
    "gan": "GAN",
    "wgan": "WGAN",
    "ae_wgan": "AE-WGAN",
    "cdae": "CDAE",
    "weak_class_vae": "Weak-class VAE",
    "vrnn": "VRNN",
    "ica": "ICA (2 channels)",
    "wavelet": "Wavelet",
    "filter_bank": "Filter bank",
    "vass": "VASS",
    "temporal_vae": "Temporal VAE",
    "conv_tasnet": "Conv-TasNet",
    "vae_nmf_mcem": "VAE + NMF (MCEM)",
    "vae_nmf_map": "VAE + NMF (MAP)",
    "vae_nmf_langevin": "VAE + NMF (Langevin)",
    "none": "No augmentation",
    "classical": "Classical",
    "replace": "Replacement",
    "soft": "Soft perturbation",
    "hard": "Hard perturbation",
    "both": "Latent and classical",
    "oracle_demixing": "Oracle demixing",
    "auxiva": "AuxIVA",
    "ilrma": "ILRMA",
    "fastmnmf2": "FastMNMF2",
    "mvae": "MVAE",
    "fastmvae": "FastMVAE",
    "fastmvae2": "FastMVAE2",
    "fastmvae2_refined": "FastMVAE2 + gradient steps",
    "mvae_wpe": "MVAE + WPE",
    "mvae_postfilter": "MVAE + post-filter",
    "gmvae": "GMVAE",
}
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


def measure_of(name: str) -> Measure:
    """Return how the measure `name` is shown; an unknown one keeps its name.

    Example:
        >>> measure_of("sdr_bsseval_v3_512_improvement").heading
        'SDR gain (dB)'
    """
    base = name.removesuffix(IMPROVEMENT)
    known = MEASURES.get(base, Measure(base, "", 3))
    return known if base == name else known._replace(label=f"{known.label} gain")


def role_of(system: str) -> str:
    """Return `floor`, `baseline`, `ceiling`, or `ours` for every system that is none of these.

    The cells of a grid have the role of their system.

    Example:
        >>> role_of("itl_ae_cs_kernel_1"), role_of("vae_latent_32")
        ('baseline', 'ours')
    """
    return _ROLE_OF.get(_stem(system, {*_ROLE_OF, *_SYSTEM_LABELS}), "ours")


def _stem(system: str, known: Iterable[str]) -> str:
    """Return the longest of the known systems that a name is or begins with, empty where there is none."""
    return max((name for name in known if f"{system}_".startswith(f"{name}_")), key=len, default="")


def competes(system: str) -> bool:
    """Say whether a system may be marked as the best: ceilings know the sources, and ICA hears a second channel."""
    return role_of(system) in ("baseline", "ours") and system != "ica"


def system_label(system: str) -> str:
    """Return the name of a system as the page writes it; the cells of a grid keep their own after the system's.

    Example:
        >>> system_label("itl_ae_cs"), system_label("vae_latent_32"), system_label("mine")
        ('ITL-AE (CS)', 'VAE: latent 32', 'mine')
    """
    if system in _SYSTEM_LABELS:
        return _SYSTEM_LABELS[system]
    stem = _stem(system, _SYSTEM_LABELS)
    if not stem:
        return system
    return f"{_SYSTEM_LABELS[stem]}: {system.removeprefix(f'{stem}_').replace('_', ' ')}"


def ordered_systems(systems: Iterable[str]) -> list[str]:
    """Return the distinct systems from floor to ceiling, otherwise in the order given.

    Example:
        >>> ordered_systems(["vae", "ideal_wiener", "mixture", "kl_nmf", "vae"])
        ['mixture', 'kl_nmf', 'vae', 'ideal_wiener']
    """
    return sorted(dict.fromkeys(systems), key=lambda system: ROLES.index(role_of(system)))


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

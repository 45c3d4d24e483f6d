"""PESQ narrow-band (ITU-T P.862, P.862.1) and wide-band (P.862.2) as MOS-LQO, through the package pesq."""

from __future__ import annotations

import functools
import logging
from types import ModuleType

import numpy as np

from sepvae import audio
from sepvae.evaluation.contract import Refused, Score, Signal, measure, pairwise

_LOG = logging.getLogger(__name__)

# The C code has room for 50 utterances, does not check, and kills the process beyond. An utterance lasts at least
# 0.2 s and so does the pause before the next one: up to this length there cannot be more.
_LONGEST_S = 20.0
_NARROW_HZ, _WIDE_HZ = 8000, 16000


@functools.cache
def load_package() -> ModuleType | None:
    """Return the package pesq, or None (and say so, once) when it is missing."""
    try:
        import pesq
    except ImportError as error:
        _LOG.warning("no PESQ: the package pesq cannot be loaded (%s): pip install 'sepvae[pesq]'", error)
        return None
    return pesq  # type: ignore[no-any-return]


def _rate_for(band: str, sample_rate: int) -> int | None:
    """Return the rate in Hz to compute PESQ at, never above the signal's own; None where there is none."""
    if sample_rate >= _WIDE_HZ:
        return _WIDE_HZ
    return _NARROW_HZ if band == "nb" and sample_rate >= _NARROW_HZ else None


def _pesq(reference: Signal, estimate: Signal, sample_rate: int, *, band: str) -> Score:
    """Score one estimate; rates that PESQ does not know are brought to the next lower one that it does."""
    package = load_package()
    if package is None:
        return Refused("pesq_not_installed")
    rate = _rate_for(band, sample_rate)
    if rate is None:
        return Refused("sample_rate_too_low")
    if reference.size > _LONGEST_S * sample_rate:
        return Refused("too_long")
    if rate != sample_rate:
        pair = np.stack([reference, estimate]).astype(np.float32)
        reference, estimate = audio.resample(pair, from_rate=sample_rate, to_rate=rate).astype(np.float64)
    try:
        value = float(package.pesq(rate, reference, estimate, band))
    except package.NoUtterancesError:
        return Refused("no_utterance")
    except package.BufferTooShortError:
        return Refused("too_short")
    except package.PesqError as error:
        _LOG.warning("PESQ failed: %s", error)
        return Refused("pesq_failed")
    return value if np.isfinite(value) else Refused("undefined")


@measure("PESQ NB", shown=("violin",), ignores_scale=True, load_package=load_package)
@pairwise
def pesq_nb_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:
    """Score by narrow-band PESQ."""
    return _pesq(reference, estimate, sample_rate, band="nb")


@measure("PESQ WB", ignores_scale=True, load_package=load_package)
@pairwise
def pesq_wb_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:
    """Score by wide-band PESQ."""
    return _pesq(reference, estimate, sample_rate, band="wb")

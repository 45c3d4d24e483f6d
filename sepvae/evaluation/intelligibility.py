"""STOI (Taal et al. 2011) and ESTOI (Jensen and Taal 2016) through the package pystoi."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sepvae import seeds
from sepvae.evaluation.contract import Refused, Score, Signal, measure, pairwise

_LOG = logging.getLogger(__name__)

# pystoi works at 10 kHz on 30 frames of 256 samples, 128 apart: less cannot be scored.
_SHORTEST_S = (256 + 29 * 128) / 10000


@functools.cache
def load_package() -> Callable[..., Any] | None:
    """Return pystoi's function, or None (and say so, once) when the package is missing."""
    try:
        from pystoi import stoi
    except ImportError as error:
        _LOG.warning("no STOI and ESTOI: pystoi cannot be loaded (%s): pip install 'sepvae[eval]'", error)
        return None
    return stoi  # type: ignore[no-any-return]


def _stoi(reference: Signal, estimate: Signal, sample_rate: int, *, extended: bool) -> Score:
    """Score one estimate; pystoi resamples to 10 kHz with the filter of the measure's own reference code."""
    stoi = load_package()
    if stoi is None:
        return Refused("pystoi_not_installed")
    if reference.size < _SHORTEST_S * sample_rate:
        return Refused("too_short")
    # pystoi dithers ESTOI from NumPy's global generator: give it the same numbers each time and put the state back.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seeds.derive_seed(0, "estoi") % 2**32)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            # Too few frames are left without the silent ones: pystoi warns and returns 1e-5.
            warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
            value = float(stoi(reference, estimate, sample_rate, extended=extended))
    except RuntimeWarning:
        return Refused("too_short")
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return value if np.isfinite(value) else Refused("undefined")


@measure("STOI", decimals=3, shown=(), ignores_scale=True, load_package=load_package)
@pairwise
def stoi_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:
    """Score by STOI."""
    return _stoi(reference, estimate, sample_rate, extended=False)


@measure("ESTOI", decimals=3, shown=(), ignores_scale=True, load_package=load_package)
@pairwise
def estoi_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:
    """Score by ESTOI."""
    return _stoi(reference, estimate, sample_rate, extended=True)

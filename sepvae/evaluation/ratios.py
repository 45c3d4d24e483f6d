"""Signal-to-distortion ratios without a filter: SNR and SI-SDR (Le Roux, Wisdom, Erdogan and Hershey 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sepvae.errors import InputError
from sepvae.evaluation.contract import Score, Signal, decibels, measure, pairwise


def si_sdr(*, reference: ArrayLike, estimate: ArrayLike) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB.

    The mean of the signals is not removed: an offset that the reference does not have is an error.

    Args:
        reference: true source (time,).
        estimate: estimated source (time,).

    Returns:
        10 log₁₀(|α s|² / |α s - ŝ|²) with α = ⟨ŝ, s⟩ / |s|²; infinite for an exact copy, NaN for a silent reference.

    Raises:
        InputError: the signals are not two vectors of one length.

    Source:
        Le Roux et al. 2019.

    Example:
        >>> si_sdr(reference=[1.0, 0.0, 1.0, 0.0], estimate=[5.0, 1.0, 5.0, 0.0])
        16.989700043360187
    """
    true, estimated = _vectors(reference, estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = true * (np.dot(estimated, true) / np.dot(true, true))
        return _ratio_db(target, target - estimated)


def snr(*, reference: ArrayLike, estimate: ArrayLike) -> float:
    """Return the plain signal-to-noise ratio in dB: whatever differs from the reference is noise.

    It depends on scale and delay, and needs no noise signal. The survey's SNR, which counts only what comes from the
    mixture's noise, is `snr_bsseval_v3_512` and needs that noise.

    Args:
        reference: true source (time,).
        estimate: estimated source (time,).

    Returns:
        10 log₁₀(|s|² / |s - ŝ|²); infinite for an exact copy.

    Raises:
        InputError: the signals are not two vectors of one length.

    Example:
        >>> snr(reference=[3.0, 1.0], estimate=[3.0, 0.0])
        10.0
    """
    true, estimated = _vectors(reference, estimate)
    return _ratio_db(true, true - estimated)


def _vectors(reference: ArrayLike, estimate: ArrayLike) -> tuple[Signal, Signal]:
    true, estimated = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if true.ndim != 1 or true.shape != estimated.shape:
        raise InputError(f"reference has shape {true.shape}, estimate {estimated.shape}: expected two (time,) alike")
    return true, estimated


def _ratio_db(signal: Signal, error: Signal) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * (np.log10(np.dot(signal, signal)) - np.log10(np.dot(error, error))))


@measure("SI-SDR", "dB", shown=("test",), ignores_scale=True)
@pairwise
def si_sdr_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:  # noqa: ARG001
    """Score by `si_sdr`."""
    return decibels(si_sdr(reference=reference, estimate=estimate))


@measure("SNR", "dB", shown=())
@pairwise
def snr_measure(reference: Signal, estimate: Signal, sample_rate: int) -> Score:  # noqa: ARG001
    """Score by `snr`."""
    return decibels(snr(reference=reference, estimate=estimate))

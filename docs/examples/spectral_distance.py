"""A measure of one's own: how far the spectra of an estimate are from those of the source, in decibels.

sepvae evaluate --references true --estimates out --measures lsd --plugin docs/examples/spectral_distance.py
"""

import numpy as np

import sepvae
from sepvae.evaluation.contract import Score, Signal, decibels, measure, pairwise

WINDOW_S = 0.032


def powers(wave: Signal, size: int) -> Signal:
    """Return the power spectra (frames, bins) of a wave (time,), filled up with zeros to whole frames."""
    frames = np.pad(wave, (0, -len(wave) % size)).reshape(-1, size)
    return np.abs(np.fft.rfft(frames * np.hanning(size + 2)[1:-1])) ** 2


@measure("LSD", "dB", better="lower")
@pairwise
def log_spectral_distance(reference: Signal, estimate: Signal, sample_rate: int) -> Score:
    """Score by the log-spectral distance (Gray & Markel 1976); what lies 60 dB below the reference is not heard."""
    size = round(WINDOW_S * sample_rate)
    true, estimated = powers(reference, size), powers(estimate, size)
    floor = 1e-6 * true.max()
    decades = np.log10((true + floor) / (estimated + floor))
    return decibels(float(np.sqrt(np.square(10 * decades).mean(-1)).mean()))


sepvae.register("measure", "lsd", log_spectral_distance)

"""What lies below speech: an offset, hum and rumble, found in waves without delay and without an edge."""

from __future__ import annotations

import torch
from torch import Tensor

# The lowest voices begin at 80 Hz; a window of 110 ms has fallen by 50 dB at 48 Hz when its middle is here.
_CUTOFF_HZ = 65.0
_SUPPORT_S = 0.11
_FFT_STEP = 1024


def support_samples(sample_rate: int) -> int:
    """Return how many samples before and after a sample its rumble depends on."""
    return round(_SUPPORT_S / 2 * sample_rate)


def _low_pass(sample_rate: int) -> Tensor:
    """Return the filter (2 · support + 1,) float64: a windowed sinc (Hamming) whose sum is 1."""
    half = support_samples(sample_rate)
    time = torch.arange(-half, half + 1, dtype=torch.float64)
    window = torch.hamming_window(2 * half + 1, periodic=False, dtype=torch.float64)
    taps = torch.sinc(2 * _CUTOFF_HZ / sample_rate * time) * window
    return taps / taps.sum()


def rumble(wave: Tensor, *, sample_rate: int) -> Tensor:
    """Return what lies below 65 Hz in waves (…, time), of their shape.

    At the ends the filter is divided by the part of it that lies within the wave, so that an offset is found whole
    there too; where the wave is silent as far as the filter reaches there is none.

    Args:
        wave: real floating-point samples.
        sample_rate: Hz.
    """
    n_samples, half = wave.shape[-1], support_samples(sample_rate)
    if n_samples == 0:
        return wave
    # Of a transform of many small factors.
    size = -(-(n_samples + 2 * half) // _FFT_STEP) * _FFT_STEP
    # Features have logarithms, which would see the rounding errors of single precision; some devices have no other.
    precision = wave.dtype if wave.device.type == "mps" else torch.float64
    taps = _low_pass(sample_rate).to(wave.device, precision)
    response = torch.fft.rfft(taps, size)

    def smooth(values: Tensor) -> Tensor:
        smoothed: Tensor = torch.fft.irfft(torch.fft.rfft(values, size) * response, size)
        return smoothed[..., half : half + n_samples]

    low = (smooth(wave.to(precision)) / smooth(taps.new_ones(n_samples))).to(wave)
    # The transform leaves its rounding errors in silence, which a network would make something of.
    sounding = torch.nn.functional.pad((wave != 0).cumsum(-1), (1, 0))
    time = torch.arange(n_samples, device=wave.device)
    first, last = (time - half).clamp_min(0), (time + half + 1).clamp_max(n_samples)
    return low * (sounding[..., last] != sounding[..., first])

"""The front-end in NumPy: what `frontend` does with torch, on waves (channels, time) float32."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.errors import ConfigError

Spectrum = NDArray[np.complex64]
Floats = NDArray[np.float32]

# As `frontend.rumble` has them.
_CUTOFF_HZ, _SUPPORT_S, _FFT_STEP = 65.0, 0.11, 1024
# As `frontend.stft` has it.
_MIN_COVERAGE = 0.05


class Stft:
    """Analysis and synthesis with the same window, as `frontend.stft`.

    Args:
        window: `hann`, `hamming` or `sine`, the square root of Hann.
        window_samples: length of the window.
        hop_samples: from a window to the next.

    Raises:
        ConfigError: windows overlap too little for their transform to be undone.
    """

    def __init__(self, window: str, *, window_samples: int, hop_samples: int) -> None:
        self.window_samples, self.hop_samples = window_samples, hop_samples
        turns = 2 * np.pi * np.arange(window_samples) / window_samples
        hann = 0.5 - 0.5 * np.cos(turns)
        shape = {"hann": hann, "sine": np.sqrt(hann), "hamming": 0.54 - 0.46 * np.cos(turns)}[window]
        coverage = np.zeros(hop_samples)
        np.add.at(coverage, np.arange(window_samples) % hop_samples, np.square(shape))
        if coverage.min() < _MIN_COVERAGE * coverage.mean():
            raise ConfigError("window_samples, hop_samples: windows overlap too little to be undone")
        self._window = shape.astype(np.float32)
        self.window_energy = float(np.square(shape).sum())
        shift = (window_samples - hop_samples) % hop_samples
        self._gain = np.roll(1 / coverage, -shift).astype(np.float32)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal of `n_samples`."""
        return -(-(n_samples + self.window_samples - self.hop_samples) // self.hop_samples) if n_samples else 0

    def analyse(self, wave: Wave) -> Spectrum:
        """Transform waves (…, time) to spectra (…, frames, bins)."""
        n_samples, window, hop = wave.shape[-1], self.window_samples, self.hop_samples
        if n_samples == 0:
            return np.zeros((*wave.shape[:-1], 0, window // 2 + 1), np.complex64)
        padded = (self.n_frames(n_samples) - 1) * hop + window
        left = window - hop
        sides = [(0, 0)] * (wave.ndim - 1) + [(left, padded - left - n_samples)]
        frames = sliding_window_view(np.pad(wave, sides), window, axis=-1)[..., ::hop, :]
        return np.fft.rfft(frames * self._window).astype(np.complex64)

    def synthesise(self, spectrum: Spectrum, *, n_samples: int) -> Wave:
        """Transform spectra (…, frames, bins) back to waves (…, n_samples)."""
        lead, n_frames, hop = spectrum.shape[:-2], spectrum.shape[-2], self.hop_samples
        if n_samples == 0:
            return np.zeros((*lead, 0), np.float32)
        frames = np.fft.irfft(spectrum, n=self.window_samples).astype(np.float32) * self._window
        n_parts = -(-self.window_samples // hop)
        added = np.zeros((*lead, n_frames + n_parts - 1, hop), np.float32)
        for part in range(n_parts):
            piece = frames[..., part * hop : (part + 1) * hop]
            added[..., part : part + n_frames, : piece.shape[-1]] += piece
        left = self.window_samples - hop
        wave = added.reshape(*lead, -1)[..., left : left + n_samples]
        gain = np.tile(self._gain, -(-n_samples // hop))[:n_samples]
        return np.asarray(wave * gain, np.float32)


def support_samples(sample_rate: int) -> int:
    """Return how many samples before and after a sample its rumble depends on."""
    return round(_SUPPORT_S / 2 * sample_rate)


def rumble(wave: Wave, *, sample_rate: int) -> Wave:
    """Return what lies below 65 Hz in waves (…, time), as `frontend.rumble`."""
    n_samples, half = wave.shape[-1], support_samples(sample_rate)
    if n_samples == 0:
        return wave
    time = np.arange(-half, half + 1)
    taps = np.sinc(2 * _CUTOFF_HZ / sample_rate * time) * np.hamming(2 * half + 1)
    size = -(-(n_samples + 2 * half) // _FFT_STEP) * _FFT_STEP
    response = np.fft.rfft(taps / taps.sum(), size)

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        smoothed = np.fft.irfft(np.fft.rfft(values, size) * response, size)
        return np.asarray(smoothed[..., half : half + n_samples], np.float64)

    low = (smooth(wave.astype(np.float64)) / smooth(np.ones(n_samples))).astype(np.float32)
    sounding = np.pad(np.cumsum(wave != 0, axis=-1), [(0, 0)] * (wave.ndim - 1) + [(1, 0)])
    place = np.arange(n_samples)
    first, last = np.maximum(place - half, 0), np.minimum(place + half + 1, n_samples)
    return np.asarray(low * (sounding[..., last] != sounding[..., first]), np.float32)


def shares(magnitudes: Floats, mask: str) -> Floats:
    """Return the share of each source in each bin, as `estimator.masks.make_masks`.

    Args:
        magnitudes: (sources, …, frames, bins), non-negative.
        mask: `ratio` of magnitudes, or `wiener`, of powers.
    """
    loudest = magnitudes.max(0)
    scaled = np.where(loudest > 0, magnitudes / np.maximum(loudest, np.finfo(np.float32).tiny), np.float32(1))
    weights = scaled if mask == "ratio" else np.square(scaled)
    return np.asarray(weights / weights.sum(0), np.float32)

"""Short-time Fourier transform that is undone exactly for every length, 0 samples included.

Frame k covers the samples [k·hop - (window - hop), k·hop + hop), so every sample lies in all the frames it can lie
in, the edges need no special case, and a signal cut at a multiple of the hop has the frames of the whole signal.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError, InputError

# Below this share of its mean the squared-window sum cannot be divided out without amplifying rounding errors.
_MIN_COVERAGE = 0.05
# Each sample is in so many windows, and each of them is kept: 4 are usual, and 16 many.
_MAX_OVERLAP = 256


class StftConfig(Config):
    """Window and hop of an STFT in milliseconds; the survey's best pair is the default (its Fig. 21)."""

    window_ms: float = Field(16.0, gt=0, le=1000)
    hop_ms: float = Field(8.0, gt=0, le=1000)
    window: Literal["hann", "hamming", "sine"] = "hann"


def make_window(name: str, n_samples: int) -> Tensor:
    """Return a periodic window (n_samples,) float64; `sine` is the square root of Hann."""
    if name == "hamming":
        return torch.hamming_window(n_samples, periodic=True, dtype=torch.float64)
    hann = torch.hann_window(n_samples, periodic=True, dtype=torch.float64)
    return hann.sqrt() if name == "sine" else hann


class Stft:
    """Analysis and synthesis with the same window, at one sample rate.

    Args:
        config: window and hop in milliseconds.
        sample_rate: Hz.

    Raises:
        ConfigError: window or hop come to less than one sample, or their overlap cannot be undone.

    Example:
        >>> stft = Stft(StftConfig(), sample_rate=16000)
        >>> wave = torch.rand(2, 1001)
        >>> bool((stft.synthesise(stft.analyse(wave), n_samples=1001) - wave).abs().max() < 1e-6)
        True
    """

    def __init__(self, config: StftConfig, *, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate
        self.window_samples = round(config.window_ms * sample_rate / 1000)
        self.hop_samples = round(config.hop_ms * sample_rate / 1000)
        size = f"window {self.window_samples} and hop {self.hop_samples} samples at {sample_rate} Hz"
        if self.window_samples < 2 or self.hop_samples < 1:
            raise ConfigError(f"STFT with {size}: too short, give a longer window_ms or hop_ms")
        if self.window_samples > _MAX_OVERLAP * self.hop_samples:
            raise ConfigError(f"STFT with {size}: a window is at most {_MAX_OVERLAP} hops long, give a longer hop_ms")
        if self.hop_samples > self.window_samples:
            raise ConfigError(f"STFT with {size}: samples between windows would be lost, give hop_ms ≤ window_ms")
        window = make_window(config.window, self.window_samples)
        coverage = torch.zeros(self.hop_samples, dtype=torch.float64)
        phase = torch.arange(self.window_samples) % self.hop_samples
        coverage.index_add_(0, phase, window.square())
        if coverage.min() < _MIN_COVERAGE * coverage.mean():
            raise ConfigError(
                f"STFT with {size} and a {config.window} window cannot be undone: its windows overlap too little, "
                "give hop_ms ≤ window_ms / 2"
            )
        self._window = window
        # Sample t sits at t + window - hop in the padded signal, which fixes its phase against the hop.
        self._synthesis_gain = (1.0 / coverage).roll(-((self.window_samples - self.hop_samples) % self.hop_samples))

    @property
    def n_bins(self) -> int:
        """Number of frequency bins."""
        return self.window_samples // 2 + 1

    @property
    def first_frame_centre(self) -> int:
        """The sample in the middle of the first window, often before the first sample: frame k lies k hops later."""
        return self.hop_samples - self.window_samples // 2

    @property
    def window_energy(self) -> float:
        """Sum of the squares of the window: the mean power of a bin over that of a sample."""
        return float(self._window.square().sum())

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal of `n_samples`."""
        if n_samples == 0:
            return 0
        return -(-(n_samples + self.window_samples - self.hop_samples) // self.hop_samples)

    def analyse(self, wave: Tensor) -> Tensor:
        """Transform waves (…, time) to complex spectra (…, frames, bins).

        Raises:
            InputError: the input is not a real floating-point tensor.
        """
        if not wave.is_floating_point():
            raise InputError(f"STFT of a {wave.dtype} tensor: give real floating-point samples (…, time)")
        n_samples = wave.shape[-1]
        if n_samples == 0:
            dtype = torch.complex128 if wave.dtype == torch.float64 else torch.complex64
            return wave.new_zeros((*wave.shape[:-1], 0, self.n_bins), dtype=dtype)
        left = self.window_samples - self.hop_samples
        padded_samples = (self.n_frames(n_samples) - 1) * self.hop_samples + self.window_samples
        padded = torch.nn.functional.pad(wave, (left, padded_samples - left - n_samples))
        frames = padded.unfold(-1, self.window_samples, self.hop_samples)
        spectrum: Tensor = torch.fft.rfft(frames * self._window.to(wave))
        return spectrum

    def synthesise(self, spectrum: Tensor, *, n_samples: int) -> Tensor:
        """Transform complex spectra (…, frames, bins) back to waves (…, n_samples).

        Raises:
            InputError: the spectrum has not the frames and bins of a signal of `n_samples`.
        """
        expected = (self.n_frames(n_samples), self.n_bins)
        if tuple(spectrum.shape[-2:]) != expected:
            raise InputError(
                f"inverse STFT to {n_samples} samples: spectrum has (frames, bins) = {tuple(spectrum.shape[-2:])}, "
                f"expected {expected}"
            )
        lead = spectrum.shape[:-2]
        if n_samples == 0:
            return spectrum.real.new_zeros((*lead, 0))
        frames = torch.fft.irfft(spectrum, n=self.window_samples)
        frames = (frames * self._window.to(frames)).reshape(-1, *frames.shape[-2:])
        padded_samples = (expected[0] - 1) * self.hop_samples + self.window_samples
        added = torch.nn.functional.fold(
            frames.transpose(-1, -2),
            output_size=(1, padded_samples),
            kernel_size=(1, self.window_samples),
            stride=(1, self.hop_samples),
        )
        left = self.window_samples - self.hop_samples
        wave = added.reshape(*lead, padded_samples)[..., left : left + n_samples]
        gain = self._synthesis_gain.to(wave).repeat(-(-n_samples // self.hop_samples))[:n_samples]
        return wave * gain

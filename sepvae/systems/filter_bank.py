"""Time–frequency filter bank: bands of an ERB scale, weighted in each short frame by what each source is like.

Do, Tran & Chau 2020 compare with one (Table 2 of the survey); no design of theirs could be read. The scale is that of
Glasberg & Moore 1990.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae.config import Config
from sepvae.limits import Steps
from sepvae.mixing.mixture import Rendered
from sepvae.systems.contract import Estimates, System, TrainingMixtures
from sepvae.systems.profiles import Bands, learn_profiles, read_profiles, write_profiles

_PROFILES = "profiles.json"
_FLOOR = 1e-12


class FilterBankConfig(Config):
    """Number of bands and of taps of their filters, length of a frame, and steps of the fit of levels."""

    n_bands: int = Field(32, ge=2, le=256)
    n_taps: int = Field(1025, ge=65, le=16385)
    frame_ms: float = Field(32.0, ge=2, le=1000)
    iterations: Steps = 30


def erb_edges_hz(n_bands: int, sample_rate: int) -> NDArray[np.float64]:
    """Return the edges (n_bands + 1) of bands of equal width on the ERB-rate scale (Glasberg & Moore 1990, Eq. 4)."""
    top = 21.4 * np.log10(1 + 0.00437 * sample_rate / 2)
    return np.asarray((10 ** (np.linspace(0, top, n_bands + 1) / 21.4) - 1) / 0.00437, np.float64)


def design_bank(n_bands: int, n_taps: int, *, sample_rate: int) -> NDArray[np.float64]:
    """Return linear-phase filters (bands, taps) that add up to a delay: nothing is lost between bands.

    Each is the difference of two windowed low-passes, and they telescope.
    """
    edges = erb_edges_hz(n_bands, sample_rate)[1:-1]
    time = np.arange(n_taps) - (n_taps - 1) / 2
    window = np.blackman(n_taps)
    cutoffs = 2 * edges / sample_rate
    low = np.array([window * cutoff * np.sinc(cutoff * time) for cutoff in cutoffs])
    low /= low.sum(1, keepdims=True)
    delta = (np.abs(time) < 0.25).astype(np.float64)
    return np.diff(np.concatenate([np.zeros((1, n_taps)), low, delta[None]]), axis=0)


def filter_bands(wave: NDArray[np.float32], filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a wave (time,) behind each of the filters (bands, taps), without their delay, (bands, time)."""
    from scipy.signal import oaconvolve

    delay = (filters.shape[1] - 1) // 2
    # "same" would crop the axis of the bands too.
    whole = oaconvolve(wave.astype(np.float64)[None], filters, mode="full", axes=1)
    return np.asarray(whole[:, delay : delay + len(wave)], np.float64)


class FilterBank(System[FilterBankConfig]):
    """Each band of each frame is shared out by the powers that the sources' average spectra have there.

    How loud each source is in a frame is fitted to the powers of the mixture (multiplicative updates of the
    Kullback–Leibler divergence), so that it follows who is speaking.
    """

    Config = FilterBankConfig
    label, role = "Filter bank", "baseline"
    draws = False

    def __init__(self, config: FilterBankConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._profiles: dict[str, Bands] = {}
        # An odd number of taps has a middle one, and delays by a whole number of samples.
        self._filters = design_bank(config.n_bands, config.n_taps | 1, sample_rate=sample_rate)
        self._frame = max(1, round(config.frame_ms * sample_rate / 1000))

    def _bands(self, wave: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the bands (bands, time) of a wave, which add up to it."""
        return filter_bands(wave, self._filters)

    def _frame_powers(self, bands: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean power (bands, frames) of each band in each frame; the last frame is filled with silence."""
        n_frames = -(-bands.shape[1] // self._frame)
        padded = np.pad(np.square(bands), ((0, 0), (0, n_frames * self._frame - bands.shape[1])))
        return np.asarray(padded.reshape(len(bands), n_frames, self._frame).mean(2), np.float64)

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Measure the mean power of every band of each source in the training mixtures."""
        profiles = learn_profiles(mixtures, lambda wave: np.mean(np.square(self._bands(wave)), 1))
        write_profiles(folder / _PROFILES, profiles)

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002
        """Read the powers."""
        self._profiles = read_profiles(folder / _PROFILES)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the weighted bands of each source; they add up to the mixture."""
        wave = mixture.mixture
        if not wave.any():
            return {name: np.zeros_like(wave) for name in self._profiles}
        bands = self._bands(wave)
        powers = self._frame_powers(bands) / np.mean(np.square(wave, dtype=np.float64))
        # (bands, sources), each source's powers adding up to one
        shapes = np.stack([profile / profile.sum() for profile in self._profiles.values()], axis=1) + _FLOOR
        levels = np.full((shapes.shape[1], powers.shape[1]), powers.mean()) + _FLOOR
        for _ in range(self._config.iterations):
            levels *= shapes.T @ (powers / (shapes @ levels + _FLOOR)) / shapes.sum(0)[:, None]
        # (sources, bands, frames)
        parts = shapes.T[:, :, None] * levels[:, None] + _FLOOR
        weights = _smooth(parts / parts.sum(0), self._frame, len(wave))
        estimates = [(weight * bands).sum(0).astype(np.float32) for weight in weights]
        return dict(zip(self._profiles, estimates, strict=True))


def _smooth(weights: NDArray[np.float64], frame: int, n_samples: int) -> NDArray[np.float64]:
    """Return weights (…, time), straight lines between the middles of frames (…, frames)."""
    middles = (np.arange(weights.shape[-1]) + 0.5) * frame
    time = np.arange(n_samples)
    flat = weights.reshape(-1, weights.shape[-1])
    lines = np.array([np.interp(time, middles, row) for row in flat])
    return lines.reshape(*weights.shape[:-1], n_samples)

"""Wavelet shrinkage (PyWavelets): the classical denoiser, with the variance of each sub-band learnt for each source.

Donoho & Johnstone 1994; the threshold of Chang, Yu & Vetterli 2000 (BayesShrink). Do, Tran & Chau 2020 compare with
wavelets (Table 2 of the survey).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae.config import Config
from sepvae.errors import ConfigError, MissingExtra
from sepvae.mixing.mixture import Rendered
from sepvae.systems.contract import Estimates, System, TrainingMixtures
from sepvae.systems.profiles import Bands, learn_profiles, read_profiles, write_profiles

_PROFILES = "profiles.json"


class WaveletConfig(Config):
    """The wavelet, and how often the signal is halved."""

    wavelet: str = "db8"
    levels: int = Field(6, ge=1, le=12)


def _pywt() -> Any:
    try:
        import pywt
    except ImportError as error:
        raise MissingExtra("wavelet shrinkage", "classical", error) from error
    return pywt


class Wavelet(System[WaveletConfig]):
    """The first source is what a soft threshold leaves of each sub-band, the other is what it takes away.

    A sub-band's threshold is the variance of the other source over the standard deviation of the first. With speech
    first and a background second that is the denoiser; of two voices it knows only in which sub-bands each is strong.
    """

    Config = WaveletConfig
    label, role = "Wavelet", "baseline"
    draws = False

    def __init__(self, config: WaveletConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._profiles: dict[str, Bands] = {}
        known = _pywt().wavelist(kind="discrete")
        if config.wavelet not in known:
            raise ConfigError(
                f"unknown wavelet {config.wavelet!r}: choose one of PyWavelets, such as db8, sym8 or coif5"
            )

    def _analyse(self, wave: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        """Return the coefficients of each sub-band, low frequencies first."""
        found: list[NDArray[np.float64]] = _pywt().wavedec(
            wave.astype(np.float64), self._config.wavelet, mode="symmetric", level=self._config.levels
        )
        return found

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Measure the variance of every sub-band of each source in the training mixtures."""
        profiles = learn_profiles(
            mixtures, lambda wave: np.array([np.mean(np.square(band)) for band in self._analyse(wave)])
        )
        if len(profiles) != 2:
            raise ConfigError(f"wavelet shrinkage tells 2 sources apart, the mixtures have {len(profiles)}")
        write_profiles(folder / _PROFILES, profiles)

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002
        """Read the variances."""
        self._profiles = read_profiles(folder / _PROFILES)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return what the thresholds leave and what they take away; they add up to the mixture."""
        (first, own), (second, other) = self._profiles.items()
        level = float(np.sqrt(np.mean(np.square(mixture.mixture, dtype=np.float64))))
        if not len(mixture.mixture) or level == 0:
            return {name: np.zeros_like(mixture.mixture) for name in self._profiles}
        thresholds = level * other / np.sqrt(np.maximum(own, np.finfo(np.float64).tiny))
        bands = self._analyse(mixture.mixture)
        shrunk = [np.sign(b) * np.maximum(np.abs(b) - t, 0) for b, t in zip(bands, thresholds, strict=True)]
        wave = _pywt().waverec(shrunk, self._config.wavelet, mode="symmetric")[: len(mixture.mixture)]
        estimate = wave.astype(np.float32)
        return {first: estimate, second: mixture.mixture - estimate}

"""Real features of a complex spectrum: magnitude, power, log-power, mel, log-mel, and real beside imaginary part."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError, MissingExtra
from sepvae.limits import Scale

# exp(80) is 5e34: the square of no amplitude a file can hold, and far from the overflow of float32.
_MAX_LOG_POWER = 80.0

FeatureKind = Literal["magnitude", "power", "log_power", "mel", "log_mel", "complex"]
NON_NEGATIVE: tuple[FeatureKind, ...] = ("magnitude", "power", "mel")


class FeatureConfig(Config):
    """Which features to take.

    `complex` is the real parts of all bins, and then their imaginary parts. `floor` is the power added before a
    logarithm (−100 dB of the normalised spectrum).
    """

    kind: FeatureKind = "magnitude"
    n_mels: int = Field(80, ge=1, le=1024)
    floor: Scale = 1e-10


def mel_filterbank(*, sample_rate: int, n_bins: int, n_mels: int) -> Tensor:
    """Return Slaney-normalised mel filters (bins, n_mels) float32 (librosa's).

    Raises:
        MissingExtra: librosa is not installed.
        ConfigError: more filters than the bins can resolve, so that some would be empty.
    """
    try:
        from librosa.filters import mel
    except ImportError as error:
        raise MissingExtra("mel features", "mel", error) from error
    with warnings.catch_warnings():
        # librosa only warns of the empty filters that are an error below.
        warnings.simplefilter("ignore", UserWarning)
        filters = mel(sr=sample_rate, n_fft=2 * (n_bins - 1), n_mels=n_mels)
    if empty := int((filters.sum(1) == 0).sum()):
        raise ConfigError(
            f"n_mels: {empty} of {n_mels} mel filters over {n_bins} bins are empty: give fewer, or a longer window_ms"
        )
    return torch.from_numpy(filters.T.copy())


class Features:
    """Extracts one kind of feature from complex spectra (…, frames, bins).

    Example:
        >>> features = Features(FeatureConfig(kind="power"), sample_rate=16000, n_bins=129)
        >>> features(torch.full((4, 129), 3 + 4j))[0, 0].item()
        25.0
    """

    def __init__(self, config: FeatureConfig, *, sample_rate: int, n_bins: int) -> None:
        self.config = config
        self._filters: Tensor | None = None
        if config.kind in ("mel", "log_mel"):
            self._filters = mel_filterbank(sample_rate=sample_rate, n_bins=n_bins, n_mels=config.n_mels)
        self.n_features = {"mel": config.n_mels, "log_mel": config.n_mels, "complex": 2 * n_bins}.get(
            config.kind, n_bins
        )

    def __call__(self, spectrum: Tensor) -> Tensor:
        """Return the features (…, frames, n_features) of complex spectra (…, frames, bins)."""
        if self.config.kind == "complex":
            return torch.cat([spectrum.real, spectrum.imag], dim=-1)
        power = spectrum.real.square() + spectrum.imag.square()
        if self._filters is not None:
            power = power @ self._filters.to(power)
        if self.config.kind == "magnitude":
            return power.sqrt()
        if self.config.kind in ("log_power", "log_mel"):
            return (power + self.config.floor).log()
        return power

    def magnitude(self, features: Tensor) -> Tensor:
        """Undo the feature: return the magnitudes (…, frames, bins) that have these features.

        Raises:
            ConfigError: mel features have lost the bins and cannot be undone.
        """
        if self._filters is not None:
            raise ConfigError(f"{self.config.kind} features cannot be turned back into a spectrum: use log_power")
        if self.config.kind == "magnitude":
            return features.clamp_min(0)
        if self.config.kind == "complex":
            return self.spectrum(features).abs()
        power = features
        if self.config.kind == "log_power":
            power = features.clamp_max(_MAX_LOG_POWER).exp() - self.config.floor
        return power.clamp_min(0).sqrt()

    def spectrum(self, features: Tensor) -> Tensor:
        """Undo the feature `complex`: return the complex spectra (…, frames, bins) that have these features.

        Raises:
            ConfigError: other features have lost the phase.
        """
        if self.config.kind != "complex":
            raise ConfigError(f"{self.config.kind} features have no phase: only complex ones are a spectrum")
        return torch.complex(*features.chunk(2, dim=-1))

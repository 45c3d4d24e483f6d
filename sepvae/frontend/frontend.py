"""The front-end of a model: STFT, per-file normalisation, and the features of its input and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.frontend.features import FeatureConfig, Features
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.limits import SampleRate

# A file whose level lies below this (−240 dB) is silence: it keeps its level instead of being blown up.
_SILENCE = 1e-12


class FrontendConfig(Config):
    """What a model sees (`input`) and what it is to give (`target`), both of the normalised spectrum.

    `normalisation` divides each file's spectrum by its root mean square (`rms`) or by its largest magnitude
    (`peak`); sources are divided by the level of their mixture, and multiplying by it undoes that. `levels` is the rule
    by which a level is taken: of everything in the file (`whole`).
    """

    sample_rate: SampleRate = 16000
    stft: StftConfig = StftConfig()
    normalisation: Literal["none", "rms", "peak"] = "rms"
    levels: Literal["whole"] = "whole"
    input: FeatureConfig = FeatureConfig()
    target: FeatureConfig = FeatureConfig()


@dataclass
class LevelMeter:
    """The level of a file gathered block by block, so that a long file is normalised like a short one."""

    normalisation: str
    total: float = 0.0
    count: int = 0
    peak: float = 0.0

    def add(self, spectrum: Tensor) -> LevelMeter:
        """Take in complex spectra (…, frames, bins) and return itself."""
        if spectrum.numel():
            power = spectrum.real.double().square() + spectrum.imag.double().square()
            self.total += float(power.sum())
            self.count += power.numel()
            self.peak = max(self.peak, float(power.max()) ** 0.5)
        return self

    @property
    def level(self) -> float:
        """The number to divide by: 1 for silence and for no normalisation."""
        level = 1.0
        if self.normalisation == "rms" and self.count:
            level = (self.total / self.count) ** 0.5
        elif self.normalisation == "peak":
            level = self.peak
        return level if level > _SILENCE else 1.0


class Frontend:
    """Waves to complex spectra and features, and back, at one sample rate."""

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        self.stft = Stft(config.stft, sample_rate=config.sample_rate)
        rate, n_bins = config.sample_rate, self.stft.n_bins
        self.input = Features(config.input, sample_rate=rate, n_bins=n_bins)
        self.target = Features(config.target, sample_rate=rate, n_bins=n_bins)

    def meter(self) -> LevelMeter:
        """Return an empty level meter for one file."""
        return LevelMeter(self.config.normalisation)

    def levels(self, spectra: Tensor) -> Tensor:
        """Return the level of each of several spectra (batch, frames, bins), (batch, 1, 1), to divide it by."""
        values, normalisation = spectra.detach(), self.config.normalisation
        levels = values.real.new_ones((len(values), 1, 1))
        if values.numel() and normalisation == "rms":
            energies = torch.view_as_real(values).flatten(1).square().sum(1)
            levels = (energies / values[0].numel()).sqrt()[:, None, None]
        elif values.numel() and normalisation == "peak":
            levels = values.abs().amax((-2, -1), keepdim=True)
        return torch.where(levels > _SILENCE, levels, 1.0)

    def training_pair(self, mixture: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Return input and target features of one mixture, normalised by the level of the mixture.

        Args:
            mixture: (time,).
            sources: (sources, time).

        Returns:
            Input (frames, n_inputs) and targets (sources, frames, n_targets).
        """
        spectrum = self.stft.analyse(mixture)
        level = self.meter().add(spectrum).level
        return self.input(spectrum / level), self.target(self.stft.analyse(sources) / level)

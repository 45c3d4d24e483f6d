"""The front-end of a model: STFT, per-file normalisation, and the features of its input and its target."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from sepvae.config import Config
from sepvae.frontend.features import FeatureConfig, Features
from sepvae.frontend.levels import LevelMeter, Normalisation, batch_levels, make_meter, power_of
from sepvae.frontend.rumble import rumble, support_samples
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.limits import SampleRate


class FrontendConfig(Config):
    """What a model sees (`input`) and what it is to give (`target`), both of the normalised spectrum.

    `normalisation` divides each file's spectrum by its root mean square (`rms`) or by its largest magnitude
    (`peak`); sources are divided by the level of their mixture, and multiplying by it undoes that. `levels` is the rule
    by which a level is taken: where somebody speaks, and of what lies above 65 Hz, which is all that a model then hears
    (`gated`); or of everything in the file (`whole`).
    """

    sample_rate: SampleRate = 16000
    stft: StftConfig = StftConfig()
    normalisation: Normalisation = "rms"
    levels: Literal["gated", "whole"] = "gated"
    input: FeatureConfig = FeatureConfig()
    target: FeatureConfig = FeatureConfig()


class Frontend:
    """Waves to complex spectra and features, and back, at one sample rate."""

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        self.stft = Stft(config.stft, sample_rate=config.sample_rate)
        rate, n_bins = config.sample_rate, self.stft.n_bins
        self.input = Features(config.input, sample_rate=rate, n_bins=n_bins)
        self.target = Features(config.target, sample_rate=rate, n_bins=n_bins)

    @property
    def heard_samples(self) -> int:
        """Samples before and after a sample that what is heard of it depends on."""
        return support_samples(self.config.sample_rate) if self.config.levels == "gated" else 0

    def heard(self, wave: Tensor) -> Tensor:
        """Return what a model hears of waves (…, time): all of them, or what lies above their rumble."""
        if self.config.levels == "whole":
            return wave
        return wave - rumble(wave, sample_rate=self.config.sample_rate)

    def meter(self) -> LevelMeter:
        """Return an empty level meter for one file."""
        config = self.config
        return make_meter(config.levels, config.normalisation, hop_ms=config.stft.hop_ms)

    def levels(self, spectra: Tensor) -> Tensor:
        """Return the level of each of several spectra (batch, frames, bins), (batch, 1, 1), to divide it by."""
        return self.levels_of_power(power_of(spectra))

    def levels_of_power(self, power: Tensor) -> Tensor:
        """Return the same of the powers of spectra: their square is what to divide these by."""
        config = self.config
        return batch_levels(power, config.levels, config.normalisation, hop_ms=config.stft.hop_ms)

    def training_pair(self, mixture: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Return input and target features of one mixture, normalised by the level of the mixture.

        Args:
            mixture: (time,).
            sources: (sources, time).

        Returns:
            Input (frames, n_inputs) and targets (sources, frames, n_targets).
        """
        spectrum = self.stft.analyse(self.heard(mixture))
        level = self.meter().add(spectrum).level
        return self.input(spectrum / level), self.target(self.stft.analyse(self.heard(sources)) / level)

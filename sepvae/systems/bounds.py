"""The floor and the ceilings: the unprocessed mixture, and masks made from the true sources."""

from __future__ import annotations

import numpy as np
import torch

from sepvae.config import Config
from sepvae.estimator.masks import MaskKind, apply_masks, make_masks
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.systems.contract import Estimates, System, SystemFacts


class MixtureConfig(Config):
    """The floor has no settings."""


class UnprocessedMixture(System[MixtureConfig]):
    """The mixture itself as the estimate of every source: what any system must beat."""

    Config = MixtureConfig
    label, role, mixture_consistent = "Mixture", "floor", False
    draws = False

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the mixture for each source."""
        return dict.fromkeys(mixture.sources, mixture.mixture)


class IdealMaskConfig(Config):
    """Kind of mask and STFT of a ceiling."""

    mask: MaskKind = "ratio"
    stft: StftConfig = StftConfig()


class IdealMask(System[IdealMaskConfig]):
    """The mask that the true sources give: the most that masking with mixture phase can reach with this STFT."""

    Config = IdealMaskConfig
    role, needs = "ceiling", ("references",)
    draws = False

    def __init__(self, config: IdealMaskConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._stft = Stft(config.stft, sample_rate=sample_rate)

    @classmethod
    def describe(cls, config: IdealMaskConfig) -> SystemFacts:
        """Name the mask and its STFT, whose window is said where it is not Hann's."""
        kind, stft = "Wiener" if config.mask == "wiener" else config.mask, config.stft
        window = "" if stft.window == "hann" else f", {stft.window}"
        label = f"Ideal {kind} mask, {stft.window_ms:g}/{stft.hop_ms:g} ms{window}"
        return super().describe(config)._replace(label=label)

    @classmethod
    def mask_stft(cls, config: IdealMaskConfig) -> StftConfig:
        """Return the STFT of the mask."""
        return config.stft

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the masked mixture for each source; noise, where there is some, keeps its own share."""
        waves = list(mixture.sources.values())
        if mixture.noise is not None:
            waves.append(mixture.noise)
        magnitudes = self._stft.analyse(torch.from_numpy(np.stack(waves))).abs()
        masks = make_masks(magnitudes, kind=self._config.mask)[: len(mixture.sources)]
        spectrum = self._stft.analyse(torch.from_numpy(mixture.mixture))
        estimates = self._stft.synthesise(apply_masks(spectrum, masks), n_samples=len(mixture.mixture))
        return dict(zip(mixture.sources, estimates.numpy(), strict=True))

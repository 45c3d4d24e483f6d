"""The floor and the ceilings: the unprocessed mixture, and masks made from the true sources."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.estimator.masks import apply_masks, make_masks
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.systems.contract import Material


class MixtureConfig(Config):
    """The floor has no settings."""


class UnprocessedMixture:
    """The mixture itself as the estimate of every source: what any system must beat."""

    Config: ClassVar[type[Config]] = MixtureConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = False

    def __init__(self, config: MixtureConfig, *, sample_rate: int) -> None:
        pass

    def train(self, material: Material, folder: Path) -> None:
        """Learn nothing."""

    def load(self, folder: Path, *, device: str) -> None:
        """Take up nothing."""

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the mixture for each source."""
        return dict.fromkeys(mixture.sources, mixture.mixture)


class IdealMaskConfig(Config):
    """Kind of mask and STFT of a ceiling."""

    mask: Literal["ratio", "wiener"] = "ratio"
    stft: StftConfig = StftConfig()


class IdealMask:
    """The mask that the true sources give: the most that masking with mixture phase can reach with this STFT."""

    Config: ClassVar[type[Config]] = IdealMaskConfig
    uses_references: ClassVar[bool] = True
    trainable: ClassVar[bool] = False

    def __init__(self, config: IdealMaskConfig, *, sample_rate: int) -> None:
        self._mask, self._stft = config.mask, Stft(config.stft, sample_rate=sample_rate)

    def train(self, material: Material, folder: Path) -> None:
        """Learn nothing."""

    def load(self, folder: Path, *, device: str) -> None:
        """Take up nothing."""

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the masked mixture for each source; noise, where there is some, keeps its own share."""
        waves = list(mixture.sources.values())
        if mixture.noise is not None:
            waves.append(mixture.noise)
        magnitudes = self._stft.analyse(torch.from_numpy(np.stack(waves))).abs()
        masks = make_masks(magnitudes, kind=self._mask)[: len(mixture.sources)]
        spectrum = self._stft.analyse(torch.from_numpy(mixture.mixture))
        estimates = self._stft.synthesise(apply_masks(spectrum, masks), n_samples=len(mixture.mixture))
        return dict(zip(mixture.sources, estimates.numpy(), strict=True))

"""One trained model per source behind a mask: the survey's VAE and β-VAE, and every later SourceModel."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.devices import resolve_device
from sepvae.errors import ConfigError
from sepvae.mixing.mixture import Rendered
from sepvae.separation.separator import Separator
from sepvae.systems.contract import Material
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train


class TrainedSourceModels:
    """A Separator that is first trained on the material."""

    Config: ClassVar[type[Config]] = TrainingConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = True

    def __init__(self, config: TrainingConfig, *, sample_rate: int) -> None:
        if config.frontend.sample_rate != sample_rate:
            raise ConfigError(
                f"frontend.sample_rate = {config.frontend.sample_rate}: the mixtures are at {sample_rate} Hz, give that"
            )
        self._config, self._sample_rate = config, sample_rate
        self._separator: Separator | None = None

    def train(self, material: Material, folder: Path) -> None:
        """Train one model per source; an interrupted run is continued."""
        data = TrainingData(material.train, material.valid, material.root)
        train(self._config, data, folder, seed=material.seed, device=material.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model folder."""
        self._separator = Separator.load(folder, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the masked mixture for each source of the models."""
        if self._separator is None:
            raise ConfigError("this system has not been loaded: call load first")
        estimates: dict[str, NDArray[np.float32]] = self._separator.separate(mixture.mixture, self._sample_rate)
        return estimates

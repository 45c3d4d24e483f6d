"""A model of each source, trained on its clean speech alone, and fitted together to each mixture.

GASS (Subakan & Smaragdis 2018) with generators, VASS (Murashima et al. 2021) with variational autoencoders.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.devices import resolve_device
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.checkpoint import CONFIG
from sepvae.mixing.mixture import Rendered
from sepvae.mixing.single_source import source_mixtures
from sepvae.seeds import derive_seed
from sepvae.separation.separator import Separator
from sepvae.systems.contract import Material
from sepvae.training.batches import source_names
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train


class GenerativeModels:
    """A Separator of models trained one by one, each without knowing of the others."""

    Config: ClassVar[type[Config]] = TrainingConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = True

    def __init__(self, config: TrainingConfig, *, sample_rate: int) -> None:
        if config.inference is None:
            raise ConfigError("system generative fits models to mixtures: give inference, such as {kind: generative}")
        if config.frontend.sample_rate != sample_rate:
            raise ConfigError(
                f"frontend.sample_rate = {config.frontend.sample_rate}: the mixtures are at {sample_rate} Hz, give that"
            )
        self._config, self._sample_rate = config, sample_rate
        self._separator: Separator | None = None

    def train(self, material: Material, folder: Path) -> None:
        """Train the model of each source on its utterances; an interrupted run is continued."""
        for name in source_names(material.train):
            data = TrainingData(
                source_mixtures(material.train, name), source_mixtures(material.valid, name), material.root
            )
            seed = derive_seed(material.seed, "solo", name)
            train(self._config, data, folder / name, seed=seed, device=material.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model of every source."""
        models = sorted(path.parent.parent for path in folder.glob(f"*/model/{CONFIG}"))
        if not models:
            raise CheckpointError(f"{folder}: holds no models of sources: train the system first")
        self._separator = Separator.load(*models, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the masked mixture for each source of the models."""
        if self._separator is None:
            raise ConfigError("this system has not been loaded: call load first")
        estimates: dict[str, NDArray[np.float32]] = self._separator.separate(mixture.mixture, self._sample_rate)
        return estimates

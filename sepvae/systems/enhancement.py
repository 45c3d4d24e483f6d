"""A model of clean speech against noise that no model knows: trained on the speech of the mixtures alone.

Leglaive, Girin & Horaud 2018; Sadeghi & Serizel 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.devices import resolve_device
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.enhancer import Enhancer
from sepvae.errors import CheckpointError, ConfigError
from sepvae.files import read_json, write_json
from sepvae.mixing.mixture import Rendered
from sepvae.mixing.single_source import source_mixtures
from sepvae.systems.contract import Material
from sepvae.training.batches import source_names
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_SOURCES = "sources.json"


class EnhancementSystemConfig(TrainingConfig):
    """How a model of clean speech is trained (see the preset speech_prior), and how it is fitted to the mixtures.

    `keep` names the source that is speech; the first one when None.
    """

    enhancement: EnhancementConfig = EnhancementConfig()
    keep: str | None = None


class Enhancement:
    """An Enhancer whose model learns the speech of the training mixtures, and nothing of their noise."""

    Config: ClassVar[type[Config]] = EnhancementSystemConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = True

    def __init__(self, config: EnhancementSystemConfig, *, sample_rate: int) -> None:
        if config.frontend.sample_rate != sample_rate:
            raise ConfigError(
                f"frontend.sample_rate = {config.frontend.sample_rate}: the mixtures are at {sample_rate} Hz, give that"
            )
        self._config, self._sample_rate = config, sample_rate
        self._enhancer: Enhancer | None = None
        self._sources = ("", "")

    def train(self, material: Material, folder: Path) -> None:
        """Train the model of the speech; an interrupted run is continued."""
        names = source_names(material.train)
        speech = self._config.keep or names[0]
        if len(names) != 2 or speech not in names:
            raise ConfigError(
                f"system enhancement takes {speech} out of one other source, the mixtures have {', '.join(names)}"
            )
        write_json(folder / _SOURCES, [speech, *(name for name in names if name != speech)])
        data = TrainingData(
            source_mixtures(material.train, speech), source_mixtures(material.valid, speech), material.root
        )
        config = TrainingConfig.model_validate(
            {name: getattr(self._config, name) for name in TrainingConfig.model_fields}
        )
        train(config, data, folder, seed=material.seed, device=material.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model, and the names of what it takes apart."""
        if not (folder / _SOURCES).is_file():
            raise CheckpointError(f"{folder}: holds no {_SOURCES}: train the system first")
        speech, noise = read_json(folder / _SOURCES)
        self._sources = (speech, noise)
        self._enhancer = Enhancer.load(folder, self._config.enhancement, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the speech, and all else under the name of the other source."""
        if self._enhancer is None:
            raise ConfigError("this system has not been loaded: call load first")
        found = self._enhancer.enhance(mixture.mixture, self._sample_rate)
        return dict(zip(self._sources, (found["speech"], found["noise"]), strict=True))

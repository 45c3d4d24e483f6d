"""What separates a mixture by the microphones of a room: AuxIVA, ILRMA and the multichannel VAEs.

Kameoka et al. 2019 (MVAE); Li, Kameoka & Makino 2019, 2022 (FastMVAE, FastMVAE2); Seki et al. 2019 (GMVAE).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.demixer import Demixer
from sepvae.devices import resolve_device
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.files import hash_json, make_folder, read_json, write_json
from sepvae.mixing.mixture import Rendered
from sepvae.mixing.single_source import speech_mixtures
from sepvae.models.network import ConditionalNetwork
from sepvae.systems.contract import Material
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_POINTER = "model.json"


class DemixingSystemConfig(Config):
    """An algorithm, and for those with a model of speech how that is trained: on clean speech, not on mixtures.

    Systems of a recipe that train alike share the model.
    """

    algorithm: AlgorithmChoice
    training: TrainingConfig | None = None


class Demixing:
    """A Demixer whose model, if it has one, is first trained on the clean speech of the material.

    Nothing tells it who speaks where: its estimates are in any order.
    """

    Config: ClassVar[type[Config]] = DemixingSystemConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = True

    def __init__(self, config: DemixingSystemConfig, *, sample_rate: int) -> None:
        if config.algorithm.entry.needs_model:
            _check_training(config, sample_rate)
        self._config, self._sample_rate = config, sample_rate
        self._demixer: Demixer | None = None
        self.artefacts: dict[str, NDArray[np.generic]] = {}

    def train(self, material: Material, folder: Path) -> None:
        """Train the model of speech, or find it trained by another system of the same run."""
        if not self._config.algorithm.entry.needs_model or self._config.training is None:
            write_json(folder / _POINTER, None)
            return
        data = TrainingData(
            speech_mixtures(material.train, material.root),
            speech_mixtures(material.valid, material.root),
            material.root,
        )
        config = self._config.training
        key = hash_json([config.model_dump(mode="json"), data.hash, material.seed])
        shared = make_folder(material.shared / key[:16])
        with FileLock(f"{shared}.lock"):
            train(config, data, shared, seed=material.seed, device=material.device)
        # Relative, so that the folder of a run can be moved.
        write_json(folder / _POINTER, Path(os.path.relpath(shared.resolve(), folder.resolve())).as_posix())

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model that training has left or found."""
        if not (folder / _POINTER).is_file():
            raise CheckpointError(f"{folder}: holds no {_POINTER}: train the system first")
        model, algorithm = read_json(folder / _POINTER), self._config.algorithm
        where = str(resolve_device(device))
        if model is None:
            self._demixer = Demixer(algorithm, sample_rate=self._sample_rate, device=where)
        else:
            self._demixer = Demixer.load(folder.resolve() / model, algorithm, device=where)

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return what the reference microphone hears of each source, in any order."""
        if self._demixer is None:
            raise ConfigError("this system has not been loaded: call load first")
        if mixture.channels is None:
            raise InputError("the mixture has one channel, and demixing needs several: set mixing.room")
        names = list(mixture.sources)
        found = self._demixer.separate(mixture.channels, self._sample_rate, n_sources=len(names))
        self.artefacts = {"objective": found.objective}
        if found.demixing is not None:
            self.artefacts["demixing"] = found.demixing
        return dict(zip(names, found.waves.values(), strict=True))


def _check_training(config: DemixingSystemConfig, sample_rate: int) -> None:
    """Raise ConfigError when an algorithm with a model of speech cannot have one."""
    if config.training is None:
        raise ConfigError(f"training: algorithm {config.algorithm.kind} has a model of speech: say how it is trained")
    kind, rate = config.training.model.kind, config.training.frontend.sample_rate
    if not issubclass(config.training.model.entry, ConditionalNetwork):
        raise ConfigError(f"training.model.kind = {kind}: algorithm {config.algorithm.kind} needs a conditional_vae")
    if rate != sample_rate:
        raise ConfigError(f"training.frontend.sample_rate = {rate}: the mixtures are at {sample_rate} Hz, give that")

"""What separates a mixture by the microphones of a room: AuxIVA, ILRMA and the multichannel VAEs.

Kameoka et al. 2019 (MVAE); Li, Kameoka & Makino 2019, 2022 (FastMVAE, FastMVAE2); Seki et al. 2019 (GMVAE).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import numpy as np
from filelock import FileLock
from pydantic import Field

from sepvae.config import Config
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.class_accuracy import class_accuracy
from sepvae.demixing.demixer import Demixer
from sepvae.devices import resolve_device
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.folder import find_model_folder
from sepvae.estimator.folder_names import CONFIG, WEIGHTS
from sepvae.estimator.speech_models import ConditionalEstimator
from sepvae.files import hash_file, hash_json, make_folder, read_json, write_json
from sepvae.mixing.mixture import Rendered, render
from sepvae.mixing.single_source import speech_mixtures
from sepvae.models.network import ConditionalNetwork
from sepvae.systems.contract import Estimates, System, SystemFacts, TrainingMixtures, check_rate, loaded, trained
from sepvae.systems.voices import Voices, read_voices, write_voices
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_POINTER = "model.json"


class DemixingSystemConfig(Config):
    """An algorithm, and for those with a model of speech how that is trained: on clean speech, not on mixtures.

    Systems of a recipe that train alike share the model. In place of `training`, `model` is a model of speech that is
    there already: a folder, or the name of one that comes with sepvae.
    """

    algorithm: AlgorithmChoice
    training: TrainingConfig | None = None
    model: str | None = Field(None, min_length=1, max_length=1000)


class Demixing(System[DemixingSystemConfig]):
    """A Demixer whose model, if it has one, is first trained on the clean speech of the mixtures.

    It does not know who speaks where: its estimates are in any order.
    """

    Config = DemixingSystemConfig
    needs, blind = ("channels",), True

    def __init__(self, config: DemixingSystemConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        if config.algorithm.entry.needs_model and config.model is None:
            _check_training(config, sample_rate)
        elif config.model is not None and (config.training is not None or not config.algorithm.entry.needs_model):
            raise ConfigError(
                f"model = {config.model}: goes with an algorithm that has a model of speech, and without training: "
                "leave one of them out"
            )
        self._demixer: Demixer | None = None

    @classmethod
    def outside(cls, config: DemixingSystemConfig) -> list[str]:
        """Return the hashes of the files of a model that is there already."""
        if config.model is None:
            return []
        folder = find_model_folder(config.model)
        return [hash_file(folder / name) for name in (CONFIG, WEIGHTS)]

    @classmethod
    def describe(cls, config: DemixingSystemConfig) -> SystemFacts:
        """Name the algorithm and what is added to it; those without a model of speech are baselines.

        A model of speech is drawn in training; what an algorithm draws itself follows from its setting `seed`.
        """
        algorithm, settings = config.algorithm.entry, config.algorithm.config()
        added = {"wpe": " + WPE", "postfilter": " + post-filter"}
        label = algorithm.label + "".join(text for key, text in added.items() if getattr(settings, key, None))
        draws = algorithm.needs_model or hasattr(settings, "seed")
        return SystemFacts(label, cls.role if algorithm.needs_model else "baseline", cls.needs, draws)

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Train the model of speech, or find it trained by another system of the same run."""
        if not self._config.algorithm.entry.needs_model or self._config.training is None:
            write_json(folder / _POINTER, None)
            return
        data = TrainingData(
            speech_mixtures(mixtures.train, mixtures.root),
            speech_mixtures(mixtures.valid, mixtures.root),
            mixtures.root,
        )
        config = self._config.training
        key = hash_json([config.model_dump(mode="json"), data.hash, mixtures.seed])
        shared = make_folder(mixtures.shared / key[:16])
        with FileLock(f"{shared}.lock"):
            checkpoint = train(config, data, shared, seed=mixtures.seed, device=mixtures.device)
            voices = read_voices(shared) or _hear(cast("ConditionalEstimator", checkpoint.estimator), data)
            write_voices(shared, voices)
        write_voices(folder, voices)
        # Relative, so that the folder of a run can be moved.
        write_json(folder / _POINTER, Path(os.path.relpath(shared.resolve(), folder.resolve())).as_posix())

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model that training has left or found."""
        model, algorithm = read_json(trained(folder / _POINTER)), self._config.algorithm
        where = str(resolve_device(device))
        if self._config.model is not None:
            self._demixer = Demixer.load(self._config.model, algorithm, device=where)
            check_rate(self._demixer.sample_rate, self._sample_rate, key=self._config.model)
        elif model is None:
            self._demixer = Demixer(algorithm, sample_rate=self._sample_rate, device=where)
        else:
            self._demixer = Demixer.load(folder.resolve() / model, algorithm, device=where)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the image of each source at the reference microphone, in any order."""
        demixer = loaded(self._demixer)
        if mixture.channels is None:
            raise InputError("the mixture has one channel, and demixing needs several: set mixing.room")
        names = list(mixture.sources)
        found = demixer.separate(mixture.channels, self._sample_rate, n_sources=len(names))
        self.diagnostics = {"objective": found.objective}
        if found.demixing is not None:
            self.diagnostics["demixing"] = found.demixing
        if found.likely:
            self.diagnostics["likely"] = np.array([name for name, _ in found.likely.values()])
        return dict(zip(names, found.waves.values(), strict=True))


def _hear(model: ConditionalEstimator, data: TrainingData) -> Voices:
    """Return how often a model names the speakers of the utterances to validate on, of those whom it knows."""
    known = [mixture for mixture in data.valid if mixture.sources[0].speaker in model.speakers]
    heard = ((mixture.sources[0].speaker, render(mixture, data.root).mixture) for mixture in known)
    return Voices(model.speakers, *class_accuracy(model, heard, model.frontend.config.sample_rate))


def _check_training(config: DemixingSystemConfig, sample_rate: int) -> None:
    """Raise ConfigError when an algorithm with a model of speech cannot have one."""
    if config.training is None:
        raise ConfigError(f"training: algorithm {config.algorithm.kind} has a model of speech: say how it is trained")
    kind = config.training.model.kind
    if not issubclass(config.training.model.entry, ConditionalNetwork):
        raise ConfigError(f"training.model.kind = {kind}: algorithm {config.algorithm.kind} needs a conditional_vae")
    check_rate(config.training.frontend.sample_rate, sample_rate, key="training.frontend.sample_rate")

"""A model of each source, trained on its clean speech alone, and fitted together to each mixture.

GASS (Subakan & Smaragdis 2018) with generators, VASS (Murashima et al. 2021) with variational autoencoders.
"""

from __future__ import annotations

from pathlib import Path

from sepvae.devices import resolve_device
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.folder_names import CONFIG
from sepvae.frontend.stft import StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.mixing.single_source import source_mixtures
from sepvae.seeds import derive_seed
from sepvae.separation.separator import Separator
from sepvae.systems.contract import Estimates, System, TrainingMixtures, check_rate, loaded
from sepvae.training.batches import source_names
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train


class GenerativeModels(System[TrainingConfig]):
    """A Separator of models trained one by one, each without knowing of the others."""

    Config = TrainingConfig

    def __init__(self, config: TrainingConfig, *, sample_rate: int) -> None:
        if config.inference is None:
            raise ConfigError("system generative fits models to mixtures: give inference, such as {kind: generative}")
        super().__init__(config, sample_rate=sample_rate)
        check_rate(config.frontend.sample_rate, sample_rate)
        self._separator: Separator | None = None

    @classmethod
    def mask_stft(cls, config: TrainingConfig) -> StftConfig | None:
        """Return the STFT of the models, where they mask."""
        return config.mask_stft

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Train the model of each source on its utterances; an interrupted run is continued."""
        for name in source_names(mixtures.train):
            own, kept = source_mixtures(mixtures.train, name), source_mixtures(mixtures.valid, name)
            data, seed = TrainingData(own, kept, mixtures.root), derive_seed(mixtures.seed, "solo", name)
            train(self._config, data, folder / name, seed=seed, device=mixtures.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model of every source."""
        models = sorted(path.parent.parent for path in folder.glob(f"*/model/{CONFIG}"))
        if not models:
            raise CheckpointError(f"{folder}: holds no models of sources: train the system first")
        self._separator = Separator.load(*models, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the masked mixture for each source of the models."""
        estimates: Estimates = loaded(self._separator).separate(mixture.mixture, self._sample_rate)
        return estimates

"""One trained model per source behind a mask: the survey's VAE and β-VAE, and every later SourceModel."""

from __future__ import annotations

from pathlib import Path

from sepvae.devices import resolve_device
from sepvae.frontend.stft import StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.models.contract import REST
from sepvae.separation.separator import Separator
from sepvae.systems.contract import Estimates, System, TrainingMixtures, check_rate, loaded
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train


class TrainedSourceModels(System[TrainingConfig]):
    """A Separator that is first trained on the mixtures."""

    Config = TrainingConfig

    def __init__(self, config: TrainingConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        check_rate(config.frontend.sample_rate, sample_rate)
        self._separator: Separator | None = None

    @classmethod
    def mask_stft(cls, config: TrainingConfig) -> StftConfig | None:
        """Return the STFT of the models, where they mask."""
        return config.mask_stft

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Train one model per source; an interrupted run is continued."""
        data = TrainingData(mixtures.train, mixtures.valid, mixtures.root)
        train(self._config, data, folder, seed=mixtures.seed, device=mixtures.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model folder."""
        self._separator = Separator.load(folder, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the masked mixture for each source of the models, but for what the sources leave."""
        estimates: Estimates = loaded(self._separator).separate(mixture.mixture, self._sample_rate)
        return {name: wave for name, wave in estimates.items() if name != REST or not self._config.waves.rest}

"""A model of clean speech against noise that no model knows: trained on the speech of the mixtures alone.

Leglaive, Girin & Horaud 2018; Sadeghi & Serizel 2022.
"""

from __future__ import annotations

from pathlib import Path

from sepvae.devices import resolve_device
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.enhancer import Enhancer
from sepvae.errors import ConfigError
from sepvae.files import read_json, write_json
from sepvae.frontend.stft import StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.mixing.single_source import source_mixtures
from sepvae.systems.contract import Estimates, System, SystemFacts, TrainingMixtures, check_rate, loaded, trained
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


class Enhancement(System[EnhancementSystemConfig]):
    """An Enhancer whose model learns the speech of the training mixtures, and nothing of their noise."""

    Config = EnhancementSystemConfig

    def __init__(self, config: EnhancementSystemConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        check_rate(config.frontend.sample_rate, sample_rate)
        self._enhancer: Enhancer | None = None
        self._sources = ("", "")

    @classmethod
    def describe(cls, config: EnhancementSystemConfig) -> SystemFacts:
        """Name the inference."""
        return super().describe(config)._replace(label=f"VAE + NMF ({config.enhancement.inference.entry.label})")

    @classmethod
    def mask_stft(cls, config: EnhancementSystemConfig) -> StftConfig:
        """Return the STFT of the model: the speech is a Wiener mask away from the mixture."""
        return config.frontend.stft

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Train the model of the speech; an interrupted run is continued."""
        names = source_names(mixtures.train)
        speech = self._config.keep or names[0]
        if len(names) != 2 or speech not in names:
            raise ConfigError(
                f"system enhancement takes {speech} out of one other source, the mixtures have {', '.join(names)}"
            )
        write_json(folder / _SOURCES, [speech, *(name for name in names if name != speech)])
        own, kept = source_mixtures(mixtures.train, speech), source_mixtures(mixtures.valid, speech)
        data = TrainingData(own, kept, mixtures.root)
        config = TrainingConfig.model_validate(
            {name: getattr(self._config, name) for name in TrainingConfig.model_fields}
        )
        train(config, data, folder, seed=mixtures.seed, device=mixtures.device)

    def load(self, folder: Path, *, device: str) -> None:
        """Load the model, and the names of what it takes apart."""
        speech, noise = read_json(trained(folder / _SOURCES))
        self._sources = (speech, noise)
        self._enhancer = Enhancer.load(folder, self._config.enhancement, device=str(resolve_device(device)))

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the speech, and all else under the name of the other source."""
        found = loaded(self._enhancer).enhance(mixture.mixture, self._sample_rate)
        return dict(zip(self._sources, (found["speech"], found["noise"]), strict=True))

"""A model that is there already, such as one that comes with sepvae: nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sepvae.config import Config
from sepvae.devices import resolve_device
from sepvae.errors import ConfigError
from sepvae.estimator.folder import find_model_folder
from sepvae.estimator.folder_names import CONFIG, WEIGHTS
from sepvae.files import hash_file
from sepvae.limits import MAX_SOURCES
from sepvae.mixing.mixture import Rendered
from sepvae.models.contract import REST
from sepvae.separation.separator import Separator
from sepvae.systems.contract import Estimates, System, check_rate, loaded

SourceName = Annotated[str, Field(pattern=r"^[\w-]{1,100}$")]


class ReadyModelConfig(Config):
    """Which model: `model` is the name of one that comes with sepvae, or a model folder.

    With `any_order` its outputs have names that mean nothing, and are taken for the sources in the order of their
    names: score them with `naming: best_sir`. `called` says what outputs are called in the mixtures, by their names:
    `{noise: background}`.
    """

    model: str = Field(min_length=1, max_length=1000)
    any_order: bool = False
    called: dict[SourceName, SourceName] = Field(default_factory=dict, max_length=MAX_SOURCES)


class ReadyModel(System[ReadyModelConfig]):
    """A Separator of a model folder; whom it has heard in training, its card says."""

    Config = ReadyModelConfig
    mixture_consistent = False
    draws = False

    def __init__(self, config: ReadyModelConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._separator: Separator | None = None

    @classmethod
    def outside(cls, config: ReadyModelConfig) -> list[str]:
        """Return the hashes of the files of the model."""
        folder = find_model_folder(config.model)
        return [hash_file(folder / name) for name in (CONFIG, WEIGHTS)]

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002 (nothing was trained)
        """Load the model that is named."""
        separator = Separator.load(self._config.model, device=str(resolve_device(device)))
        check_rate(separator.sample_rate, self._sample_rate, key=self._config.model)
        self._separator = separator

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the estimates of the sources, but for what they leave.

        Raises:
            ConfigError: the model has other sources than the mixture.
        """
        found: Estimates = loaded(self._separator).separate(mixture.mixture, self._sample_rate)
        wanted = list(mixture.sources)
        if strange := sorted(set(self._config.called) - set(found)):
            raise ConfigError(f"{self._config.model}: gives {', '.join(found)}, and called names {strange[0]}")
        found = {self._config.called.get(name, name): wave for name, wave in found.items()}
        estimates = {name: wave for name, wave in found.items() if name in wanted or name != REST}
        if set(estimates) == set(wanted):
            return estimates
        if self._config.any_order and len(estimates) == len(wanted):
            # By name, not by the order in which the truth is told.
            return dict(zip(sorted(wanted), estimates.values(), strict=True))
        raise ConfigError(
            f"{self._config.model}: gives {', '.join(estimates)}, and the mixtures {', '.join(wanted)}: mix "
            "sources that it knows, or set any_order where its names mean nothing"
        )

"""The settings of a run of augmentation: what decides, together with the corpus, every byte of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sepvae.augmentation import AUGMENTATIONS, SYNTHESES
from sepvae.augmentation.contract import augmentation_class, split_chain
from sepvae.augmented import CONTENTS, WRITERS
from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.formats import Subtype
from sepvae.limits import SampleRate, Seconds, Seed
from sepvae.settings import Choice
from sepvae.tables import Table

# Segments of the latent methods have 20 frames of 10 ms: nothing shorter can be augmented by all of them.
MIN_DURATION_S = 0.2

# Utterances whose records are files of their own: small enough that a kill costs little.
_FILES_PER_BLOCK = 4
# What decides the frames of log_mel; those of decoded features are as the model makes them.
_OF_LOG_MEL = ("n_mels", "window_ms", "hop_ms")


class OutputConfig(Config):
    """What is written, and how: `webdataset` and `shar` are tar files of either, `ark` and `npy` hold features.

    `contents` are `samples` (FLAC in tar files), `log_mel` features of them (`n_mels` bands, all that `npy` and `ark`
    hold when it is not given), or `decoded`: what the decoder of a latent method makes, the features of its model, at
    the level of the utterance; bands and frames are then the model's. `subtype` is that of samples;
    `utterances_per_archive` is how many utterances, with all their copies, go into one ark or tar file.
    """

    format: Annotated[str, WRITERS] = "wav"
    contents: Annotated[str, CONTENTS] | None = None
    subtype: Subtype = "pcm16"
    n_mels: int = Field(80, ge=1, le=1024)
    window_ms: float = Field(25.0, gt=0, le=1000)
    hop_ms: float = Field(10.0, gt=0, le=1000)
    utterances_per_archive: int = Field(50, ge=1, le=100_000)

    @model_validator(mode="after")
    def _can_be_held(self) -> OutputConfig:
        if not _holds(self.format, self.holds):
            fitting = ", ".join(name for name in WRITERS if _holds(name, self.holds))
            raise ConfigError(f"contents {self.holds}: {self.format} cannot hold them: choose {fitting}")
        if self.subtype == "float" and self.holds == "samples" and not self.writer.floats:
            raise ConfigError(f"subtype float: {self.format} holds integers: choose pcm24, or format wav")
        return self

    @model_validator(mode="after")
    def _of_effect(self) -> OutputConfig:
        # By their values: a worker is sent all of them, the defaults too.
        idle = [name for name in _OF_LOG_MEL if getattr(self, name) != type(self).model_fields[name].default]
        if self.holds == "decoded" and idle:
            raise ConfigError(
                f"contents decoded: {', '.join(idle)}: the model decides these of its features: leave out"
            )
        return self

    @property
    def writer(self) -> Any:
        """The class that writes the format, which says what it is able to hold."""
        return WRITERS.resolve(self.format)

    @property
    def holds(self) -> str:
        """The contents, by the format where they are not given."""
        return self.contents or ("samples" if self.writer.samples else "log_mel")

    @property
    def utterances_per_block(self) -> int:
        """How many utterances make a block, which is an archive in the formats that have archives."""
        return self.utterances_per_archive if self.writer.archives else _FILES_PER_BLOCK


def _holds(form: str, contents: str) -> bool:
    """Whether a format is able to hold some contents."""
    writer = WRITERS.resolve(form)
    able: bool = writer.features if CONTENTS.resolve(contents).features else writer.samples
    return able


class AugmentationChoice(Choice):
    """An augmentation of `AUGMENTATIONS` and its settings."""

    table: ClassVar[Table] = AUGMENTATIONS


class AugmentConfig(Config):
    """What to make of each utterance: `copies` records by each of the `methods`, or chains as `speed+noise`.

    The settings of a method stand under its name; `synthesis` is that of all latent methods that have none of their own
    (see `Augmenter.move`). `split` keeps to one split of the corpus; `sample_rate` is that of
    most files when it is not given, and files at another rate are left out. `skip_damaged` leaves out 16-bit files that
    have lost a byte in a transfer in text mode, and are noise from there on.
    """

    methods: tuple[str, ...] = Field((), validate_default=True)
    copies: int = Field(1, ge=1, le=10_000)
    seed: Seed = 0
    split: str | None = None
    sample_rate: SampleRate | None = None
    min_duration_s: Seconds = MIN_DURATION_S
    skip_damaged: bool = True
    synthesis: Annotated[str, SYNTHESES] | None = None
    output: OutputConfig = OutputConfig()
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _settings_by_method(cls, data: Any) -> Any:
        """Move the settings of methods, which users write beside the rest, together."""
        if not isinstance(data, Mapping):
            return data
        own = {name: data[name] for name in data if name in AUGMENTATIONS and name not in cls.model_fields}
        rest = {name: value for name, value in data.items() if name not in own}
        return {**rest, "settings": {**rest.get("settings", {}), **own}} if own else rest

    @field_validator("methods", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("methods")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ConfigError(
                f"none is given: choose from {', '.join(AUGMENTATIONS)}, chained by +, such as speed+noise"
            )
        plain = tuple("+".join(split_chain(method)) for method in value)
        if len(set(plain)) < len(plain):
            raise ConfigError(f"methods {', '.join(value)}: names one twice: use copies to have more of it")
        return plain

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        """Check the settings of each augmentation, and write its defaults out."""
        if (methods := info.data.get("methods")) is None:
            return settings
        used = _augmentations(methods)
        for name in settings:
            if name not in used:
                raise ConfigError(
                    f"{name}: has settings, but the methods are {', '.join(methods)}: add it to them or leave it out"
                )
        resolved = {}
        for name in used:
            own, synthesis = settings.get(name, {}), info.data.get("synthesis")
            if synthesis and "synthesis" in augmentation_class(name).Config.model_fields:
                own = {"synthesis": synthesis, **own}
            resolved[name] = AugmentationChoice.of(name, own).settings
        return resolved

    @model_validator(mode="after")
    def _decodable(self) -> AugmentConfig:
        """Refuse methods that end with an augmentation that decodes nothing, where decoded features are wanted."""
        if self.output.holds != "decoded":
            return self
        able = [name for name in AUGMENTATIONS if hasattr(augmentation_class(name), "features")]
        for method in self.methods:
            last = split_chain(method)[-1]
            if last not in able:
                raise ConfigError(
                    f"output.contents decoded: the method {method} ends with {last}, which decodes nothing: end it "
                    f"with one of {', '.join(able)}"
                )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The augmentations in the methods, each once, in the order of their first use."""
        return _augmentations(self.methods)

    def settings_of(self, name: str) -> Config:
        """Return the settings of an augmentation as its own config."""
        return AugmentationChoice(kind=name, settings=self.settings[name]).config()


def _augmentations(methods: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for method in methods for name in split_chain(method)))

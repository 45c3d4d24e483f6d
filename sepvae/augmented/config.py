"""The settings of a run of augmentation: what decides, together with the corpus, every byte of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmentation.contract import augmentation_class, split_chain
from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError

# Segments of the latent methods have 20 frames of 10 ms: nothing shorter can be augmented by all of them.
MIN_DURATION_S = 0.2

Format = Literal["wav", "flac", "npy", "ark", "webdataset", "shar"]
Contents = Literal["samples", "log_mel", "decoded"]
# What decides the frames of log_mel; those of decoded features are as the model makes them.
_OF_LOG_MEL = ("n_mels", "window_ms", "hop_ms")
_ONLY_SAMPLES, _ONLY_FEATURES = ("wav", "flac"), ("npy", "ark")


class OutputConfig(Config):
    """What is written, and how: `webdataset` and `shar` are tar files of either, `ark` and `npy` hold features.

    `contents` are `samples` (FLAC in tar files), `log_mel` features of them (`n_mels` bands, all that `npy` and `ark`
    hold when it is not given), or `decoded`: what the decoder of a latent method makes, the features of its model, at
    the level of the utterance; bands and frames are then the model's. `subtype` is that of samples;
    `utterances_per_archive` is how many utterances, with all their copies, go into one ark or tar file.
    """

    format: Format = "wav"
    contents: Contents | None = None
    subtype: Literal["pcm16", "pcm24", "float"] = "pcm16"
    n_mels: int = Field(80, ge=1, le=1024)
    window_ms: float = Field(25.0, gt=0, le=1000)
    hop_ms: float = Field(10.0, gt=0, le=1000)
    utterances_per_archive: int = Field(50, ge=1, le=100_000)

    @model_validator(mode="after")
    def _float_in_wav_only(self) -> OutputConfig:
        if self.subtype == "float" and self.format == "flac":
            raise ConfigError("subtype float: FLAC holds integers: choose pcm24, or format wav")
        return self

    @model_validator(mode="after")
    def _contents_fit(self) -> OutputConfig:
        if self.contents is None:
            return self
        wrong = _ONLY_FEATURES if self.contents == "samples" else _ONLY_SAMPLES
        if self.format in wrong:
            fitting = [name for name in get_args(Format) if name not in wrong]
            raise ConfigError(f"contents {self.contents}: {self.format} cannot hold them: choose {', '.join(fitting)}")
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
    def holds(self) -> Contents:
        """The contents, by the format where they are not given."""
        return self.contents or ("log_mel" if self.format in _ONLY_FEATURES else "samples")


class AugmentConfig(Config):
    """What to make of each utterance: `copies` records by each of the `methods`, or chains as `speed+noise`.

    The settings of a method stand under its name; `synthesis` is that of all latent methods that have none of their own
    (see `Augmenter.move`). `split` keeps to one split of the corpus; `sample_rate` is that of
    most files when it is not given, and files at another rate are left out. `skip_damaged` leaves out 16-bit files that
    have lost a byte in a transfer in text mode, and are noise from there on.
    """

    methods: tuple[str, ...] = Field((), validate_default=True)
    copies: int = Field(1, ge=1, le=10_000)
    seed: int = Field(0, ge=0)
    split: str | None = None
    sample_rate: int | None = Field(None, ge=1000, le=384_000)
    min_duration_s: float = Field(MIN_DURATION_S, gt=0)
    skip_damaged: bool = True
    synthesis: Literal["filter", "griffin_lim"] | None = None
    output: OutputConfig = OutputConfig()
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _settings_by_method(cls, data: Any) -> Any:
        """Move the settings of methods, which users write beside the rest, together."""
        if not isinstance(data, Mapping):
            return data
        own = {name: value for name, value in data.items() if name in AUGMENTATIONS}
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
        return tuple(dict.fromkeys(name for method in self.methods for name in split_chain(method)))

    def method_config(self, name: str) -> Config:
        """Return the settings of an augmentation; ConfigError names what is wrong."""
        kind, settings = augmentation_class(name).Config, self.settings.get(name, {})
        if self.synthesis and "synthesis" in kind.model_fields:
            settings = {"synthesis": self.synthesis, **settings}
        return parse_config(kind, settings, where=name)

    def resolved(self) -> dict[str, Any]:
        """Return everything that decides the result as JSON, with the defaults of each method written out.

        Raises:
            ConfigError: settings of a method are wrong, or belong to a method that is not used.
        """
        for name in self.settings:
            if name not in self.names:
                used = ", ".join(self.methods)
                raise ConfigError(f"{name}: has settings, but the methods are {used}: add it to them or leave it out")
        settings = {name: self.method_config(name).model_dump(mode="json") for name in self.names}
        return {**self.model_dump(mode="json"), "settings": settings}

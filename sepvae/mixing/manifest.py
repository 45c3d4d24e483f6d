"""The manifest of mixtures: one JSON record a line, a header first; enough to rebuild every mixture bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sepvae.config import Config, parse_config
from sepvae.corpora.records import Sex
from sepvae.errors import ConfigError, InputError
from sepvae.files import hash_json, read_jsonl, write_jsonl
from sepvae.limits import (
    MAX_MIXTURE_SAMPLES,
    MAX_ROOM_SAMPLES,
    MAX_SOURCES,
    Gain,
    Position,
    SampleRate,
    Seed,
    check_size,
)
from sepvae.mixing.names import Name, PathInside
from sepvae.mixing.scene import Scene, check_cost


class Source(Config):
    """One source of a mixture: a stretch of a file, where it starts in the mixture, and its gain.

    `name` is what a separator calls it. `path` is relative to the corpus (to `folder` where that is given), with
    forward slashes; a `synthetic` background has `<kind>/<number>` there. `start`, `n_samples` and `offset` count
    samples at the mixture's rate; a noise is repeated where it is too short, within the samples `loop` when they are
    given. `sha256` is of the file, empty where it was not taken. `layers` are added to it, as one source.
    """

    name: str = Field(min_length=1, pattern=r"^[\w-]+$")
    utterance: Name
    path: PathInside
    folder: Name | None = None
    speaker: Name
    sex: Sex
    text: str | None = None
    sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    start: Position
    n_samples: int = Field(ge=0, le=MAX_MIXTURE_SAMPLES)
    offset: int = Field(ge=0, le=MAX_MIXTURE_SAMPLES)
    gain: Gain
    loop: tuple[Position, Position] | None = None
    synthetic: bool = False
    layers: tuple[Source, ...] = Field((), max_length=MAX_SOURCES)

    @field_validator("loop")
    @classmethod
    def _holds_samples(cls, loop: tuple[Position, Position] | None) -> tuple[int, int] | None:
        if loop is not None and not 0 <= loop[0] < loop[1]:
            raise ConfigError(f"the stretch {loop[0]} to {loop[1]} holds no samples")
        return loop

    def amplified(self, gain: float) -> Source:
        """Return the source, with its layers, at `gain` times its level."""
        layers = tuple(layer.amplified(gain) for layer in self.layers)
        return self.model_copy(update={"gain": self.gain * gain, "layers": layers})


class Mixture(Config):
    """One mixture: what it is made of and how long it is; `mixture_path` only where the corpus has it ready.

    Models are trained on mixtures of one `group` and tested on the same: a pair of speakers, where there are several.
    With a `scene` the sources are heard in a room: their gains are those of the dry speech that goes into it, and the
    scene has gains of its own.
    """

    id: str = Field(pattern=r"^[\w.+-]+$")
    split: str
    sample_rate: SampleRate
    n_samples: int = Field(gt=0, le=MAX_MIXTURE_SAMPLES)
    sources: tuple[Source, ...] = Field(min_length=1, max_length=MAX_SOURCES)
    noise: Source | None = None
    seed: Seed | None = None
    mixture_path: PathInside | None = None
    group: str | None = Field(None, pattern=r"^[\w-]+$")
    scene: Scene | None = None

    @field_validator("sources")
    @classmethod
    def _different_names(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            raise ConfigError(f"sources share a name: {', '.join(names)}")
        return sources

    @model_validator(mode="after")
    def _fits_its_room(self) -> Mixture:
        if self.scene is None:
            return self
        self._fits_in_memory(self.scene)
        if self.scene.n_sources != len(self.sources):
            raise ConfigError(f"scene: has places for {self.scene.n_sources} sources, there are {len(self.sources)}")
        if self.noise is not None or self.mixture_path is not None:
            raise ConfigError("scene: a mixture in a room has neither noise nor a ready mixture: make it anew")
        return self

    @model_validator(mode="after")
    def _ends_with_its_sources(self) -> Mixture:
        """Refuse lengths that nothing in the mixture has: they would be allocated before a file is looked at."""
        longest = max(source.offset + source.n_samples for source in self.sources)
        if self.n_samples > longest:
            raise ConfigError(f"n_samples = {self.n_samples}: its sources end at {longest}: make the mixtures anew")
        advice = "cut it into shorter mixtures"
        size = self.n_samples * (len(self.everything) + 1)
        check_size("samples of all sources of the mixture", size, MAX_MIXTURE_SAMPLES, advice)
        return self

    def _fits_in_memory(self, scene: Scene) -> None:
        n_samples, advice = self.n_samples * scene.n_microphones, "cut it into shorter mixtures"
        check_size("samples of a source at all microphones", n_samples, MAX_ROOM_SAMPLES, advice)
        check_size("samples at all microphones", n_samples * (len(self.sources) + 1), MAX_MIXTURE_SAMPLES, advice)
        if scene.size_m is not None and scene.max_order is not None:
            counts = {"n_sources": scene.n_sources, "n_microphones": scene.n_microphones}
            check_cost(scene.size_m, scene.max_order, sample_rate=self.sample_rate, **counts)

    @property
    def everything(self) -> list[Source]:
        """All that is heard in it: its sources, its noise, and the layers of its sources."""
        noise = [] if self.noise is None else [self.noise]
        return [*self.sources, *noise, *(layer for source in self.sources for layer in source.layers)]

    def to_json(self) -> dict[str, Any]:
        """Return the record of the manifest."""
        return self.model_dump(mode="json")


class Header(Config):
    """The first line of a manifest: how it was made."""

    type: Literal["header"] = "header"
    version: Literal[1] = 1
    config: dict[str, Any] = Field(default_factory=dict)
    seed: Seed | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A header and its mixtures."""

    header: Header
    mixtures: tuple[Mixture, ...]

    def of_split(self, name: str) -> list[Mixture]:
        """Return the mixtures of the split `train`, `valid` or `test`."""
        return [mixture for mixture in self.mixtures if mixture.split == name]

    @property
    def hash(self) -> str:
        """Content hash of the mixtures, which name their sources by hash."""
        return hash_json([mixture.to_json() for mixture in self.mixtures])


def make_mixture(where: str, sources: Sequence[Source], **facts: Any) -> Mixture:
    """Return a mixture; InputError names the recording `where` when it is too long, say, to be one."""
    try:
        return parse_config(Mixture, {"sources": tuple(sources), **facts}, where=where)
    except ConfigError as error:
        raise InputError(str(error)) from error


def write_manifest(path: str | Path, manifest: Manifest) -> None:
    """Write a manifest atomically."""

    def records() -> Iterable[dict[str, Any]]:
        yield manifest.header.model_dump(mode="json")
        yield from (mixture.to_json() for mixture in manifest.mixtures)

    write_jsonl(path, records())


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest and check every line.

    Raises:
        InputError: the file is missing, has no header of this version, or a line is malformed; the message names
            file, line and key.
    """
    header, mixtures = None, []
    seen: set[str] = set()
    for number, record in enumerate(read_jsonl(path), start=1):
        where = f"{path}, line {number}"
        try:
            if header is None:
                if not isinstance(record, dict) or record.get("type") != "header":
                    raise InputError(f"{path}: not a manifest of mixtures: its first line is no header")
                header = parse_config(Header, record, where=where)
                continue
            mixture = parse_config(Mixture, record, where=where)
        except ConfigError as error:
            raise InputError(str(error)) from error
        if mixture.id in seen:
            raise InputError(f"{where}: the mixture {mixture.id!r} is there twice")
        seen.add(mixture.id)
        mixtures.append(mixture)
    if header is None:
        raise InputError(f"{path}: the manifest is empty: make one with 'sepvae mix'")
    return Manifest(header, tuple(mixtures))

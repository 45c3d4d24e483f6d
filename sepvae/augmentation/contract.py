"""What an augmentation is, and chains of them (`soft+noise`).

Parameters are drawn in one place and applied in another, so that they can be frozen, recorded and replayed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.augmentation import AUGMENTATIONS
from sepvae.config import Config as BaseConfig
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError

CHAIN = "+"


class Target(NamedTuple):
    """An utterance that an augmentation takes something from; its fields are what a record says of it."""

    id: str
    path: str
    speaker: str
    sex: str


@dataclass(frozen=True)
class DrawContext:
    """What an augmentation may draw its parameters from: an utterance, the record's own stream, and the corpus.

    `pool` is read from disk item by item: go through it once and keep what is needed, such as ids by speaker. It is
    the same whatever the shard, and sorted by id.
    """

    utterance: Utterance
    stream: np.random.Generator
    pool: Sequence[Utterance]


class Augmentation(ABC):
    """A way to make new speech of an utterance; `draw` decides, `apply` does.

    `name` is its name in the table. `needs_model` says whether the constructor wants a model folder, and `sample_rate`
    is the rate in Hz that samples must have, None for any. `identity` holds settings under which samples stay what they
    are, where there are such. A chosen utterance goes into the parameters as `"target": Target(...)._asdict()`.

    Args:
        config: its own settings.
        model: a model folder, for augmentations that need one.
        root: folder of the corpus.
        device: where a network runs.
    """

    Config: ClassVar[type[BaseConfig]]
    name: ClassVar[str]
    needs_model: ClassVar[bool] = False
    identity: ClassVar[Mapping[str, Any] | None] = None
    sample_rate: int | None = None
    config: BaseConfig

    def __init__(
        self, config: BaseConfig, *, model: Path | None = None, root: Path = Path(), device: str = "cpu"
    ) -> None:
        self.config, self.model, self.root, self.device = config, model, root, device
        self.prepare()

    def prepare(self) -> None:  # noqa: B027 - many have nothing to take up
        """Take up what the settings name, such as a folder of recordings.

        Raises:
            ConfigError: there is no such thing.
            InputError: it cannot be used.
        """

    @abstractmethod
    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return JSON parameters: everything that `apply` needs beside the samples.

        Raises:
            InputError: nothing in the corpus fits, such as a speaker of the other sex.
        """

    @abstractmethod
    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return new samples (channels, time') of samples (channels, time): the same for the same arguments."""

    def time_scale(self, parameters: Mapping[str, Any]) -> float:
        """Return time' / time, by which the labels are scaled: 1.0 when the duration does not change."""
        del parameters
        return 1.0


class Decoding(Protocol):
    """What an augmentation has that makes features as well, without a wave."""

    def features(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return features (frames, features) of samples (1, time), at their level."""
        ...

    def hop_samples(self) -> int:
        """Return the samples from one frame of the features to the next."""
        ...

    def first_frame_centre(self) -> int:
        """Return the sample in the middle of the first frame of the features, below 0 when it lies before the first."""
        ...


def split_chain(method: str) -> tuple[str, ...]:
    """Return the names in a method.

    Raises:
        ConfigError: one of them is not in the table.

    Example:
        >>> split_chain("speed+noise")
        ('speed', 'noise')
    """
    names = tuple(name.strip() for name in method.split(CHAIN))
    for name in names:
        augmentation_class(name)
    if len(set(names)) < len(names):
        raise ConfigError(f"method {method!r}: names an augmentation twice: name each once")
    return names


def augmentation_class(name: str) -> type[Augmentation]:
    """Return the class behind a name of the table; ConfigError names the choices."""
    return cast("type[Augmentation]", AUGMENTATIONS.resolve(name))

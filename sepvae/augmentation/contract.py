"""What an augmentation is, the closed table of augmentations, and chains of them (`soft+noise`).

Parameters are drawn in one place and applied in another, so that they can be frozen, recorded and replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sepvae import config
from sepvae.augmentation import AUGMENTATIONS
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
class Draw:
    """What an augmentation may draw its parameters from: an utterance, the record's own stream, and the corpus.

    `pool` is read from disk item by item: go through it once and keep what is needed, such as ids by speaker. It is
    the same whatever the shard, and sorted by id.
    """

    utterance: Utterance
    stream: np.random.Generator
    pool: Sequence[Utterance]


class Augmentation(Protocol):
    """A way to make new speech of an utterance; `draw` decides, `apply` does.

    `needs_model` says whether the constructor wants a model folder. A chosen utterance goes into the parameters as
    `"target": Target(...)._asdict()`.
    """

    Config: ClassVar[type[config.Config]]
    name: ClassVar[str]
    needs_model: ClassVar[bool]
    # The rate in Hz that the samples must have; None for any.
    sample_rate: int | None

    def __init__(self, config: Any, *, model: Path | None, root: Path, device: str) -> None: ...

    def draw(self, draw: Draw) -> dict[str, Any]:
        """Return JSON parameters: everything that `apply` needs beside the samples.

        Raises:
            InputError: nothing in the corpus fits, such as a speaker of the other sex.
        """
        ...

    def apply(self, wave: NDArray[np.float32], sample_rate: int, parameters: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return new samples (channels, time') of samples (channels, time): the same for the same arguments."""
        ...

    def time_scale(self, parameters: Mapping[str, Any]) -> float:
        """Return time' / time, by which the labels are scaled: 1.0 when the duration does not change."""
        ...


class Decoding(Augmentation, Protocol):
    """An augmentation that makes features as well, without a wave."""

    def features(
        self, wave: NDArray[np.float32], sample_rate: int, parameters: Mapping[str, Any]
    ) -> NDArray[np.float32]:
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

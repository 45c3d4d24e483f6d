"""Transforms of the library audiomentations, those that move nothing in time, under the rules of this room.

The library draws from global generators: they are set from the record's own seed for a transform, and put back.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from sepvae.audio import Wave
from sepvae.augmentation import TRANSFORMS
from sepvae.augmentation.contract import Augmentation, DrawContext
from sepvae.config import Config
from sepvae.errors import ConfigError, MissingExtra
from sepvae.files import to_json

# Global generators belong to the whole process: threads of a cluster's worker take turns.
_GENERATORS = threading.Lock()


class Transform(Config):
    """One transform of the library: its `kind`, and `settings` for its constructor, such as `min_snr_db`."""

    kind: Annotated[str, TRANSFORMS]
    settings: dict[str, Any] = Field(default_factory=dict)


class AudiomentationsConfig(Config):
    """`transforms`, one after the other; each is always applied unless its setting `p` is below 1."""

    transforms: tuple[Transform, ...] = Field(
        (
            Transform(kind="AddGaussianSNR"),
            Transform(kind="BandPassFilter"),
            Transform(kind="Gain"),
        ),
        min_length=1,
    )


class Audiomentations(Augmentation):
    """Applies transforms of audiomentations with a seed of the record's own."""

    Config = AudiomentationsConfig
    config: AudiomentationsConfig
    name: ClassVar[str] = "audiomentations"
    identity: ClassVar[Mapping[str, Any] | None] = {
        "transforms": [{"kind": "Gain", "settings": {"min_gain_db": 0.0, "max_gain_db": 0.0}}]
    }

    def prepare(self) -> None:
        """Make the transforms; ConfigError when the library does not take their settings."""
        self._transforms = [transform.model_dump(mode="json") for transform in self.config.transforms]
        _built(to_json(self._transforms))

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the transforms, the seed of the library's generators, and its version: another may do otherwise."""
        from importlib import metadata

        seed, version = int(context.stream.integers(1 << 32)), metadata.version("audiomentations")
        return {"transforms": self._transforms, "seed": seed, "version": version}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return the changed samples (channels, time), as many as before."""
        changed = wave[0].copy() if len(wave) == 1 else wave.copy()
        # Before the seed is set: only the first call makes them, and may draw for it.
        transforms = _built(to_json(parameters["transforms"]))
        with _GENERATORS, _seeded(parameters["seed"]):
            for transform in transforms:
                changed = transform(samples=changed, sample_rate=sample_rate)
        return np.ascontiguousarray(np.atleast_2d(changed), np.float32)


@lru_cache(maxsize=8)
def _built(transforms: str) -> tuple[Any, ...]:
    """Return the transforms of a JSON list, made once; errors as of one."""
    return tuple(_build(Transform.model_validate(transform)) for transform in json.loads(transforms))


def _build(transform: Transform) -> Any:
    """Return a transform of the library.

    Raises:
        MissingExtra: the library is not installed.
        ConfigError: the library does not take the settings.
    """
    try:
        made = TRANSFORMS.resolve(transform.kind)
    except ImportError as error:
        raise MissingExtra("the method audiomentations", "augment", error) from error
    try:
        return made(**{"p": 1.0, **transform.settings})
    except (TypeError, ValueError, AssertionError, OSError) as error:
        # The library asserts without words that a folder holds sounds.
        reason = str(error) or f"no sounds in {transform.settings.get('sounds_path', 'the given folder')}"
        raise ConfigError(f"audiomentations.transforms: {transform.kind}: {reason}: correct its settings") from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Set the global generators for the block, and put back what they were."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002

"""A system per group of mixtures: pairs of speakers have models of their own, and are scored together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.errors import ConfigError, InputError
from sepvae.files import make_folder
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import Rendered
from sepvae.progress import progress
from sepvae.systems.contract import Material, System


class Grouped:
    """Trains one system for each group of the material, and separates a mixture with that of its group.

    Args:
        make: builds a system, always the same.
    """

    def __init__(self, make: Callable[[], System]) -> None:
        self._make = make
        self._folder, self._device = Path(), ""
        self._loaded: tuple[str | None, System] | None = None

    def train(self, material: Material, folder: Path) -> None:
        """Train the systems one after the other, each on the mixtures of its group, in a folder of its name."""
        groups = sorted({_name(mixture.group) for mixture in material.train})
        with progress("groups", len(groups), unit="groups") as bar:
            for group in groups:
                own = replace(material, train=_of(material.train, group), valid=_of(material.valid, group))
                self._make().train(own, make_folder(folder / group))
                bar.advance(1)

    def load(self, folder: Path, *, device: str) -> None:
        """Remember where the systems are: each is loaded when a mixture of its group comes."""
        self._folder, self._device, self._loaded = folder, device, None

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return the estimate (time,) of each source by the system of the mixture's group.

        Raises:
            InputError: the mixture has no group.
        """
        if not self._device:
            raise ConfigError("these systems have not been loaded: call load first")
        if self._loaded is None or self._loaded[0] != mixture.group:
            system = self._make()
            system.load(self._folder / _name(mixture.group), device=self._device)
            self._loaded = mixture.group, system
        return self._loaded[1].separate(mixture)

    @property
    def artefacts(self) -> dict[str, NDArray[Any]]:
        """What the system of the last mixture found in it, nothing if it does not say."""
        return getattr(self._loaded[1], "artefacts", {}) if self._loaded else {}


def _of(mixtures: Sequence[Mixture], group: str) -> list[Mixture]:
    return [mixture for mixture in mixtures if mixture.group == group]


def _name(group: str | None) -> str:
    if group is None:
        raise InputError("some mixtures of the manifest have a group and some have none: mix them anew")
    return group

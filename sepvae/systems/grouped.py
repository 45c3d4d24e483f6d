"""A system per group of mixtures: pairs of speakers have models of their own, and are scored together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sepvae.config import Config
from sepvae.errors import InputError
from sepvae.files import make_folder
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import Rendered
from sepvae.progress import progress
from sepvae.systems.contract import Estimates, System, TrainingMixtures, loaded


class Grouped(System[Config]):
    """Trains one system for each group of the mixtures, and separates a mixture with that of its group.

    Args:
        make: builds a system, always the same.
    """

    def __init__(self, make: Callable[[], System[Any]], *, sample_rate: int) -> None:
        super().__init__(Config(), sample_rate=sample_rate)
        self._make = make
        self._place: tuple[Path, str] | None = None
        self._group: str | None = None
        self._system: System[Any] | None = None

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Train the systems one after the other, each on the mixtures of its group, in a folder of its name."""
        groups = sorted({_name(mixture.group) for mixture in mixtures.train})
        with progress("groups", len(groups), unit="groups") as bar:
            for group in groups:
                own = replace(mixtures, train=_of(mixtures.train, group), valid=_of(mixtures.valid, group))
                self._make().train(own, make_folder(folder / group))
                bar.advance(1)

    def load(self, folder: Path, *, device: str) -> None:
        """Remember where the systems are: each is loaded when a mixture of its group comes."""
        self._place, self._system = (folder, device), None

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the estimate (time,) of each source by the system of the mixture's group.

        Raises:
            InputError: the mixture has no group.
        """
        folder, device = loaded(self._place)
        if self._system is None or self._group != mixture.group:
            self._system, self._group = self._make(), mixture.group
            self._system.load(folder / _name(mixture.group), device=device)
        estimates = self._system.separate(mixture)
        self.diagnostics = self._system.diagnostics
        return estimates


def _of(mixtures: Sequence[Mixture], group: str) -> list[Mixture]:
    return [mixture for mixture in mixtures if mixture.group == group]


def _name(group: str | None) -> str:
    if group is None:
        raise InputError("some mixtures of the manifest have a group and some have none: mix them anew")
    return group

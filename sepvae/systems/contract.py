"""What every separation system of an experiment offers, and the closed table of the systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import Rendered
from sepvae.settings import Choice
from sepvae.systems import SYSTEMS
from sepvae.tables import Table


@dataclass(frozen=True)
class Material:
    """What a system may learn from: mixtures to train and validate on, their corpus, a seed and a device.

    Test mixtures are not in it: no system can see them before it separates them. `shared` is a folder for models that
    several systems of a run learn alike.
    """

    train: Sequence[Mixture]
    valid: Sequence[Mixture]
    root: Path
    seed: int
    device: str
    shared: Path


class System(Protocol):
    """One way to separate a mixture.

    `uses_references` marks those that are told more than the mixture, as the ideal masks are told the sources: they are
    kept out of the tests between competitors.
    """

    Config: ClassVar[type[Config]]
    uses_references: ClassVar[bool]
    trainable: ClassVar[bool]

    def __init__(self, config: Any, *, sample_rate: int) -> None: ...

    def train(self, material: Material, folder: Path) -> None:
        """Learn from the material and leave everything in `folder`; resume where an earlier call was stopped."""
        ...

    def load(self, folder: Path, *, device: str) -> None:
        """Take up what `train` left in `folder`."""
        ...

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
        """Return an estimate (time,) for each source; only ideal masks may look at `mixture.sources`' waves."""
        ...


class DerivedSystem(System, Protocol):
    """A system that works on the estimates of another one of the same recipe, called `of`."""

    of: str

    def derive(self, estimates: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return an estimate (time,) for each source from those of the other system."""
        ...


class ExplainingSystem(System, Protocol):
    """A system that can say what it did, for the page to show.

    After `separate`, `artefacts` holds what was found in that mixture: a new dict each time, empty if nothing was.
    Known to the page are `demixing`, complex (bins, sources, microphones), with which y = W x in each bin: bins
    evenly from 0 Hz to half the sample rate, sources in the order of the estimates, microphones as they are recorded;
    and `objective` (iterations + 1,), the negative log-likelihood per bin and frame at each iteration and in the end,
    up to a constant of the system.
    """

    artefacts: dict[str, NDArray[Any]]


class SystemChoice(Choice):
    """A system of `SYSTEMS` and its settings."""

    table: ClassVar[Table] = SYSTEMS

    def build(self, *, sample_rate: int) -> System:
        """Return the system for mixtures at `sample_rate` Hz."""
        return cast("System", self.entry(self.config(), sample_rate=sample_rate))

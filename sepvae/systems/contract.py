"""What every separation system of an experiment offers, what it says of itself, and how a recipe chooses one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae.config import Config
from sepvae.errors import CheckpointError, ConfigError
from sepvae.frontend.stft import StftConfig
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import Rendered
from sepvae.seeds import derive_seed
from sepvae.settings import Choice
from sepvae.systems import SYSTEMS
from sepvae.systems.roles import Competitor, Role
from sepvae.tables import Table

C = TypeVar("C", bound=Config)
T = TypeVar("T")

Estimates = dict[str, NDArray[np.float32]]
# What a system is given beside the mixture: the channels of several microphones; the true sources, which no real
# system has.
Need = Literal["channels", "references"]
# Of seeds in settings: what NumPy's and scikit-learn's generators take as well.
_SEEDS_BELOW = 2**31


@dataclass(frozen=True)
class TrainingMixtures:
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


class SystemFacts(NamedTuple):
    """What a page calls a system, its role in a comparison, what it needs beside the mixture, and whether it draws."""

    label: str
    role: Role
    needs: tuple[Need, ...] = ()
    draws: bool = True

    @property
    def uses_references(self) -> bool:
        """Whether it is given the true sources, and so is kept out of the tests between competitors."""
        return "references" in self.needs

    def behind(self, other: SystemFacts) -> SystemFacts:
        """Return the facts of a system that works on the estimates of another one: it knows what that one knows."""
        label = self.label if other.role == "floor" else f"{other.label} + {self.label}"
        role = other.role if other.uses_references else self.role
        return SystemFacts(label, role, tuple(sorted({*self.needs, *other.needs})), self.draws or other.draws)


class System(ABC, Generic[C]):
    """One way to separate a mixture.

    A subclass names its `Config` and says what it is: its `label`, its `role`, and what it `needs`; `describe` may let
    these follow from the settings. One that needs the references is informed, or a ceiling where it is a bound: both
    never compete. `mask_stft` says where a system puts masks on the mixture, for the ceiling of just that.
    `blind` are those whose estimates come in any order; `mixture_consistent` those whose estimates add up to the
    mixture; `draws` those that give other estimates from another seed: from that of `TrainingMixtures`, and where they
    draw later, from a setting called `seed`, which may stand anywhere in the settings.

    After `separate`, `diagnostics` holds what was found in that mixture, for a page to show: a new dict each time,
    empty if nothing was. A page knows `demixing`, complex (bins, sources, microphones), with which y = W x in each bin:
    bins evenly from 0 Hz to half the sample rate, sources in the order of the estimates, microphones as they are
    recorded; and `objective` (iterations + 1,), the negative log-likelihood per bin and frame at each iteration and in
    the end, up to a constant of the system. `likely` (sources,) says by name who each estimate sounds like, of the
    speakers that `train` has left in a `Voices`.
    """

    Config: ClassVar[type[Config]]
    label: ClassVar[str] = ""
    role: ClassVar[Role] = "ours"
    needs: ClassVar[tuple[Need, ...]] = ()
    blind: ClassVar[bool] = False
    mixture_consistent: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def __init__(self, config: C, *, sample_rate: int) -> None:
        self._config, self._sample_rate = config, sample_rate
        self.diagnostics: dict[str, NDArray[Any]] = {}

    @classmethod
    def describe(cls, config: C) -> SystemFacts:  # noqa: ARG003 (for those whose label or role follows from settings)
        """Return what the system is with these settings; without a label a page calls it by its name in the recipe."""
        return SystemFacts(cls.label, cls.role, cls.needs, cls.draws)

    @classmethod
    def mask_stft(cls, config: C) -> StftConfig | None:  # noqa: ARG003
        """Return the STFT in which the system multiplies the mixture by masks, None when it does no such thing."""
        return None

    @classmethod
    def works_on(cls, config: C) -> str | None:  # noqa: ARG003
        """Return the system of the recipe whose estimates this one takes, None for those that take the mixture."""
        return None

    @classmethod
    def outside(cls, config: C) -> list[str]:  # noqa: ARG003
        """Return hashes of what decides the estimates and is neither in the settings nor learnt, such as a model."""
        return []

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Learn from the mixtures and leave everything in `folder`; resume where an earlier call was stopped."""

    def load(self, folder: Path, *, device: str) -> None:
        """Take up what `train` left in `folder`."""

    @abstractmethod
    def separate(self, mixture: Rendered) -> Estimates:
        """Return an estimate (time,) for each source; only those that need references may look at their waves."""

    def derive(self, estimates: Estimates) -> Estimates:
        """Return an estimate (time,) for each source from those of the system that this one `works_on`."""
        return estimates


def check_rate(own: int, sample_rate: int, *, key: str = "frontend.sample_rate") -> None:
    """Raise ConfigError when a model is set up for another sample rate than that of the mixtures."""
    if own != sample_rate:
        raise ConfigError(f"{key} = {own}: the mixtures are at {sample_rate} Hz, give that")


def loaded(part: T | None) -> T:
    """Return what `load` takes up; ConfigError when it has not been called."""
    if part is None:
        raise ConfigError("this system has not been loaded: call load first")
    return part


def trained(path: Path) -> Path:
    """Return a file that `train` leaves; CheckpointError when it is not there."""
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: holds no {path.name}: train the system first")
    return path


class SystemChoice(Choice):
    """A system of `SYSTEMS` and its settings; `label` and `role` say what its class cannot know.

    What others published and a recipe sets beside the toolkit's own is a baseline. It is trained and run `seeds` times.
    """

    table: ClassVar[Table] = SYSTEMS

    label: str | None = Field(None, min_length=1)
    role: Competitor | None = None
    seeds: int = Field(1, ge=1, le=100)

    @property
    def works_on(self) -> str | None:
        """The system of the recipe whose estimates this one takes, None for those that take the mixture."""
        name: str | None = self.entry.works_on(self.config())
        return name

    @property
    def work(self) -> dict[str, Any]:
        """What decides the estimates of a run, as JSON: label, role and the number of runs do not."""
        return self.model_dump(mode="json", include={"kind", "settings"})

    @property
    def outside(self) -> list[str]:
        """Hashes of what else decides them, where it is neither in the settings nor learnt."""
        found: list[str] = self.entry.outside(self.config())
        return found

    def reseeded(self, seed: int) -> Self:
        """Return the choice with every setting called `seed` drawn anew from a seed and from what it was."""
        return self.with_settings(**_reseeded(self.settings, seed))

    def facts(self, name: str, other: SystemFacts | None = None) -> SystemFacts:
        """Return what a page says of the system.

        Args:
            name: in the recipe.
            other: what the system is whose estimates this one takes.

        Raises:
            ConfigError: a role that would hide what the system is.
        """
        own: SystemFacts = self.entry.describe(self.config())
        facts = own if other is None else own.behind(other)
        if self.role and (facts.uses_references or facts.role == "floor"):
            what = "uses the true sources" if facts.uses_references else "does nothing"
            raise ConfigError(f"system {name}: role = {self.role}: it {what}: leave role out")
        # What a class forgets to say cannot make it a competitor, nor a bound.
        forgotten = facts.uses_references and facts.role != "ceiling"
        role = "informed" if forgotten else self.role or facts.role
        return SystemFacts(self.label or facts.label or name, role, facts.needs, facts.draws)

    def build(self, *, sample_rate: int) -> System[Any]:
        """Return the system for mixtures at `sample_rate` Hz."""
        return cast("System[Any]", self.entry(self.config(), sample_rate=sample_rate))


def _reseeded(settings: Any, seed: int) -> Any:
    """Return settings, JSON, with every integer called `seed` replaced."""
    if isinstance(settings, list):
        return [_reseeded(one, seed) for one in settings]
    if not isinstance(settings, dict):
        return settings
    changed = {key: _reseeded(value, seed) for key, value in settings.items()}
    if type(own := settings.get("seed")) is int:
        changed["seed"] = derive_seed(seed, "seed", own) % _SEEDS_BELOW
    return changed


def describe_systems(choices: Mapping[str, SystemChoice]) -> dict[str, SystemFacts]:
    """Return what a page says of each system of a recipe; those that would be called alike are told apart by name.

    Raises:
        ConfigError: a role that would hide what a system is.
    """
    others = {name: choice.works_on for name, choice in choices.items()}
    first = {name: choices[name].facts(name) for name, other in others.items() if other not in choices}
    facts = {name: first.get(name) or choices[name].facts(name, first[other or ""]) for name, other in others.items()}
    times = Counter(one.label for one in facts.values())
    return {
        name: one if times[one.label] == 1 else one._replace(label=f"{one.label}: {name}")
        for name, one in facts.items()
    }

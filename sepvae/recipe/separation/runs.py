"""The runs of the systems of a recipe: each is trained, and separates, from every one of its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sepvae.errors import ConfigError
from sepvae.seeds import derive_seed
from sepvae.systems.contract import SystemChoice, SystemFacts


class Run(NamedTuple):
    """A system from one of its seeds: its settings with that seed, and the seed of what is drawn in training.

    The run from the first seed, `number` 0, goes by the name of the system, and is what that is without several seeds.
    """

    system: str
    number: int
    choice: SystemChoice
    seed: int

    @property
    def name(self) -> str:
        """What its folders, stages and scores are called."""
        return run_name(self.system, self.number)

    @property
    def works_on(self) -> str | None:
        """The run whose estimates this one takes, from the same seed; None for those that take the mixture."""
        other = self.choice.works_on
        return None if other is None else run_name(other, self.number)


def run_name(system: str, number: int) -> str:
    """Return the name of a run; no system of a recipe has a hyphen in its name.

    Example:
        >>> run_name("nmf", 0), run_name("nmf", 1)
        ('nmf', 'nmf-seed1')
    """
    return f"{system}-seed{number}" if number else system


def count_seeds(systems: Mapping[str, SystemChoice]) -> dict[str, int]:
    """Return the number of seeds of each system: one that works on another's estimates follows that one's."""
    return {name: systems[choice.works_on or name].seeds for name, choice in systems.items()}


def runs_of(systems: Mapping[str, SystemChoice], *, seed: int) -> list[Run]:
    """Return the runs of the systems of a recipe with a seed, in order.

    The first runs of a recipe with the seed 0 have the seeds that stand in the settings of their systems.
    """
    runs = []
    for name, n_seeds in count_seeds(systems).items():
        runs.append(Run(name, 0, systems[name].reseeded(seed) if seed else systems[name], seed))
        for number in range(1, n_seeds):
            own = derive_seed(seed, "system seed", number)
            runs.append(Run(name, number, systems[name].reseeded(own), own))
    return runs


def check_seeds(systems: Mapping[str, SystemChoice], facts: Mapping[str, SystemFacts]) -> None:
    """Raise ConfigError for several seeds of a system that they would change nothing about."""
    for name, choice in systems.items():
        if choice.seeds == 1:
            continue
        if choice.works_on is not None:
            why = f"it works on the estimates of {choice.works_on} and follows its seeds: set them there"
        elif not facts[name].draws:
            why = "it draws nothing, and gives the same from every seed: leave seeds out"
        else:
            continue
        raise ConfigError(f"system {name}: seeds = {choice.seeds}: {why}")

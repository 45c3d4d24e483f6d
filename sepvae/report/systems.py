"""What a page knows of the systems, or of whatever else it compares: their names, labels and roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import ConfigDict, Field

from sepvae.config import Config, parse_config
from sepvae.errors import InputError
from sepvae.systems.roles import Competitor, Role


class _Facts(Config):
    """What results say of a system; of what is only in one kind of results, nothing is read here."""

    model_config = ConfigDict(extra="ignore")

    name: str
    label: str
    role: str
    needs: tuple[str, ...]
    seeds: int = Field(1, ge=1, le=100)


class ShownSystem(NamedTuple):
    """A system as the page shows it: name in the recipe, label, role, and what it needs beside the mixture."""

    name: str
    label: str
    role: str
    needs: tuple[str, ...] = ()

    @property
    def uses_references(self) -> bool:
        """Whether it is given the true sources."""
        return "references" in self.needs

    @property
    def competes(self) -> bool:
        """Whether it may be marked as the best: no floor, and given no more than the mixture."""
        return self.role in get_args(Competitor) and not self.uses_references


def read_systems(stored: Iterable[Mapping[str, Any]]) -> list[ShownSystem]:
    """Return the systems that `results.json` has under `system_facts`, in the order of the recipe."""
    facts = [parse_config(_Facts, one, where="system_facts") for one in stored]
    return [ShownSystem(one.name, one.label, one.role, one.needs) for one in facts]


class Systems:
    """The systems of a page, from floor to ceiling, otherwise in the order given; InputError for any other role.

    Example:
        >>> systems = Systems([ShownSystem("vae", "VAE", "ours"), ShownSystem("mixture", "Mixture", "floor")])
        >>> systems["vae"].label, systems.ordered({"vae": 6.5, "mixture": 0.1})
        ('VAE', ['mixture', 'vae'])
    """

    def __init__(self, systems: Iterable[ShownSystem]) -> None:
        given, roles = list(systems), get_args(Role)
        if unknown := [one for one in given if one.role not in roles]:
            raise InputError(f"{unknown[0].name}: role = {unknown[0].role!r}: choose one of {', '.join(roles)}")
        self._systems = {one.name: one for one in sorted(given, key=lambda one: roles.index(one.role))}

    def __getitem__(self, name: str) -> ShownSystem:
        return self._systems[name]

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return the distinct systems among some names in the order of the page."""
        wanted = set(names)
        return [name for name in self._systems if name in wanted]

"""Grids of settings: one system of a recipe becomes several, a cell each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sepvae.errors import ConfigError
from sepvae.limits import check_size
from sepvae.recipe.common import check_mapping
from sepvae.settings import merge
from sepvae.tables import unknown
from sepvae.yaml_text import MAX_VALUES, check_values


def expand_grid(data: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Replace the systems named in `grid` by one system for each cell, called `<system>_<cell>`.

    An entry of `grid` names a system, and its cells: what of the system's settings each of them changes. Systems that
    several entries name are cells of each; none of them remains. The label of a cell is its system's and its own name.

    Raises:
        ConfigError: a grid of another form, or over a system that the recipe has not.

    Example:
        >>> vae = {"systems": {"vae": {"kind": "source_models", "settings": {"mask": "ratio"}}}}
        >>> grid = [{"system": "vae", "cells": {"wiener": {"mask": "wiener"}, "ratio": {}}}]
        >>> list(expand_grid({**vae, "grid": grid}, where="here")["systems"])
        ['vae_wiener', 'vae_ratio']
    """
    expanded = dict(data)
    entries = expanded.pop("grid", [])
    if not isinstance(entries, list):
        raise ConfigError(f"{where}: grid = {entries!r:.100}: give a list of entries with system and cells")
    if not entries:
        return expanded
    systems = check_mapping(expanded.get("systems"), f"{where}: systems")
    cells: dict[str, Any] = {}
    for entry in entries:
        name, own = _entry(entry, where)
        if systems.get(name) is None:
            known = [str(other) for other, choice in systems.items() if choice is not None]
            raise ConfigError(f"{where}: grid: {unknown('system', name, known)}")
        choice = {"kind": systems[name]} if isinstance(systems[name], str) else systems[name]
        choice = check_mapping(choice, f"{where}: systems.{name}")
        usual = check_mapping(choice.get("settings"), f"{where}: systems.{name}.settings")
        # Each cell has the settings of the system again.
        size = len(own) * check_values(choice, where)
        check_size(f"{where}: values of the cells of {name}", size, MAX_VALUES, "write fewer cells")
        for cell, changes in own.items():
            if not isinstance(cell, str):
                # 80_7600 is 807600 in YAML.
                raise ConfigError(f"{where}: grid: {name}: cell {cell!r} is read as a number: put its name in quotes")
            settings = merge(usual, check_mapping(changes, f"{where}: grid: {name}, {cell}"))
            label = f"{choice.get('label', name)}: {cell.replace('_', ' ')}"
            cells[f"{name}_{cell}"] = {**choice, "label": label, "settings": settings}
    varied = {entry["system"] for entry in entries}
    left = {name: choice for name, choice in systems.items() if name not in varied} | cells
    return {**expanded, "systems": left}


def _entry(entry: Any, where: str) -> tuple[str, dict[Any, Any]]:
    """Return the system and the cells of an entry."""
    if (
        not isinstance(entry, dict)
        or set(entry) != {"system", "cells"}
        or not isinstance(entry["system"], str)
        or not isinstance(entry["cells"], dict)
    ):
        raise ConfigError(
            f"{where}: grid: an entry has the keys system (a name) and cells (a mapping), found {entry!r:.100}"
        )
    return entry["system"], entry["cells"]

"""How a recipe becomes one mapping: files, what they include, grids of settings, and overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sepvae.errors import ConfigError
from sepvae.files import read_text

_MAX_INCLUDES = 8
# Lists of sentences and figures: what is included is added to, not replaced.
_ADDED = ("notes", "published", "hypotheses", "grid")


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; lists and values are replaced.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
        {'a': {'x': 1, 'y': 3}}
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_mapping(path: Path, depth: int = 0) -> dict[str, Any]:
    """Read a YAML mapping and what it includes: paths beside the file, laid under it one over the other.

    An entry of `include` is a path, or a mapping of `file`, a path, and `at`, the keys that its content is put under,
    such as `systems.mvae.settings.training`.

    Raises:
        ConfigError: not a mapping, not YAML, or includes in a circle.
        InputError: a file cannot be read.
    """
    if depth > _MAX_INCLUDES:
        raise ConfigError(f"{path}: more than {_MAX_INCLUDES} recipes include one another: remove the circle")
    try:
        data = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys to values, found {type(data).__name__}")
    included = data.pop("include", [])
    entries = included if isinstance(included, list) else [included]
    merged: dict[str, Any] = {}
    for part in (*(content for entry in entries for content in _included(path, entry, depth)), data):
        merged = _lay_over(merged, part)
    return merged


def _included(path: Path, entry: Any, depth: int) -> list[dict[str, Any]]:
    """Return what an entry of `include` gives: the content of a file, or that content under each of some keys."""
    if isinstance(entry, str):
        return [read_mapping(path.parent / entry, depth + 1)]
    if not _is_placed(entry):
        raise ConfigError(
            f"{path}: include = {entry!r}: give the path of a recipe, a list of paths, or file and a list of keys, at"
        )
    content = read_mapping(path.parent / entry["file"], depth + 1)
    return [_nested(keys.split("."), content) for keys in entry["at"]]


def _is_placed(entry: Any) -> bool:
    """Return whether an entry of `include` names a file and the keys that it is put under."""
    if not isinstance(entry, dict) or set(entry) != {"file", "at"} or not isinstance(entry["file"], str):
        return False
    places = entry["at"]
    return isinstance(places, list) and bool(places) and all(isinstance(p, str) and all(p.split(".")) for p in places)


def _nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a value under keys within keys."""
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _lay_over(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a file over what it includes, adding to lists of sentences and figures."""
    merged = merge(base, part)
    for key in _ADDED:
        if isinstance(base.get(key), list) and isinstance(part.get(key), list):
            merged[key] = [*base[key], *(entry for entry in part[key] if entry not in base[key])]
    return merged


def expand_grid(data: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Replace the systems named in `grid` by one system for each cell, called `<system>_<cell>`.

    An entry of `grid` names a system, and its cells: what of the system's settings each of them changes. Systems that
    several entries name are cells of each; none of them remains.

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
    systems = dict(expanded.get("systems") or {})
    if not isinstance(entries, list):
        raise ConfigError(f"{where}: grid: give a list of entries with system and cells")
    cells: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"system", "cells"} or not isinstance(entry["cells"], dict):
            raise ConfigError(
                f"{where}: grid: an entry has the keys system and cells (a mapping), found {entry!r:.100}"
            )
        name = entry["system"]
        if systems.get(name) is None:
            known = ", ".join(other for other, choice in systems.items() if choice is not None)
            raise ConfigError(f"{where}: grid: unknown system {name!r}: choose from {known}")
        for label, changes in entry["cells"].items():
            settings = merge(systems[name].get("settings") or {}, changes or {})
            cells[f"{name}_{label}"] = {**systems[name], "settings": settings}
    varied = {entry["system"] for entry in entries}
    left = {name: choice for name, choice in systems.items() if name not in varied} | cells
    return {**expanded, "systems": left} if "systems" in expanded else expanded


def parse_override(text: str) -> dict[str, Any]:
    """Turn `a.b=value`, the value being YAML, into a nested mapping.

    Raises:
        ConfigError: no `=`, an empty key, or a value that is not YAML.

    Example:
        >>> parse_override("systems.vae.settings.optimiser.epochs=3")["systems"]["vae"]["settings"]["optimiser"]
        {'epochs': 3}
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {text}: write it as key=value, such as seed=1 or mixing.n_test=10")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not valid YAML: {error}") from error
    return _nested(keys, parsed)


def resolve(path: Path, *, overrides: Sequence[str], quick: bool) -> dict[str, Any]:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and expand its grid.

    Raises:
        ConfigError: a file, section, override or grid of another form than it must have.
        InputError: a file cannot be read.
    """
    data = read_mapping(path)
    quick_changes = data.pop("quick", {})
    if not isinstance(quick_changes, dict):
        raise ConfigError(f"{path}: quick = {quick_changes!r}: give a mapping of keys to values")
    if quick:
        # Quick settings of systems that a recipe does not include are of no concern to it.
        wanted = data.get("systems") or {}
        chosen = {name: value for name, value in (quick_changes.get("systems") or {}).items() if wanted.get(name)}
        data = merge(data, {**quick_changes, **({"systems": chosen} if wanted else {})})
    for text in overrides:
        data = merge(data, parse_override(text))
    return expand_grid(data, where=str(path))

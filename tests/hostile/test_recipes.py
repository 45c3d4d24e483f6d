"""Recipes of any shape are read, or refused by a sentence that names the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.errors import ConfigError, InputError
from sepvae.recipe import KINDS
from sepvae.recipe.kinds import load_recipe

WHOLE: dict[str, dict[str, Any]] = {
    "separation": {"title": "t", "systems": {"floor": {"kind": "mixture"}, "nmf": {"kind": "nmf"}}},
    "augmentation": {"kind": "augmentation", "title": "t", "arms": {"none": {}}, "conditions": {"clean": {}}},
}
GRID = [{"system": "nmf", "cells": {"few": {"n_atoms": 4}}}]
ODD = (5, -1.5, "x", "", True, None, [1], [[]], [None], [{}], {}, {1: 2}, {"a": None}, {"a": [1]}, {"a": {"b": 1}})


def keys_of(kind: str) -> list[str]:
    return [*KINDS.resolve(kind).schema.model_fields, "include", "quick", "grid", "unknown"]


def check(path: Path, data: Any, key: str, *, overrides: tuple[str, ...] = ()) -> None:
    path.write_text(yaml.safe_dump(data))
    for quick in (False, True):
        try:
            load_recipe(path, quick=quick, overrides=overrides)
        except (ConfigError, InputError) as error:
            # Of the file, or of the one that it includes.
            assert str(path.parent) in str(error)
            # Keys of another kind are wrong, and what is included or quick has keys of its own.
            assert key in str(error) or key in ("kind", "include", "quick")


def test_each_kind_is_tried() -> None:
    assert [*WHOLE] == [*KINDS]


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in KINDS for key in keys_of(kind)])
def test_odd_values_of_every_key(tmp_path: Path, kind: str, key: str) -> None:
    """Of a recipe, of what it includes, of its quick form, and over the command line."""
    path = tmp_path / "recipe.yaml"
    for value in ODD:
        check(path, {**WHOLE[kind], key: value}, key)
        check(path, {**WHOLE[kind], "quick": {key: value}}, key)
        (tmp_path / "base.yaml").write_text(yaml.safe_dump({**WHOLE[kind], key: value}))
        check(path, {"include": "base.yaml"}, key)
        check(path, WHOLE[kind], key, overrides=(f"{key}={yaml.safe_dump(value, default_flow_style=True)}",))


@pytest.mark.parametrize("value", ODD)
def test_odd_systems_under_a_grid_and_a_quick_form(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "recipe.yaml"
    for systems in (value, {"nmf": value}, {"nmf": {"kind": "nmf", "settings": value}}):
        check(path, {"title": "t", "systems": systems, "grid": GRID}, "systems")
        check(path, {"title": "t", "systems": systems, "quick": {"systems": {"nmf": {"label": "N"}}}}, "systems")
    for grid in ([{"system": value, "cells": {}}], [{"system": "nmf", "cells": value}]):
        check(path, {**WHOLE["separation"], "grid": grid}, "grid")
    check(path, {**WHOLE["separation"], "grid": [{"system": "nmf", "cells": {"few": value}}]}, "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plugins": 5}, "plugins = 5: give a list of the names of modules"),
        ({"plugins": "my_module"}, "plugins = 'my_module': give a list of the names of modules"),
        ({"plugins": [1]}, r"plugins = \[1\]: give a list of the names of modules"),
        ({"plugins": ["my_module"]}, "needs the plug-in my_module: load it by --plugin"),
        ({"quick": {"systems": ["a"]}}, r"quick.systems = \['a'\]: give a mapping of keys to values"),
        ({"systems": ["a"], "quick": {}}, r"systems = \['a'\]: give a mapping of keys to values"),
        ({"kind": 5}, "kind: unknown kind of recipe '5': choose one of separation, augmentation"),
        ({"grid": 5}, "grid = 5: give a list of entries with system and cells"),
    ],
)
def test_a_shape_says_what_to_give(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**WHOLE["separation"], **changes}))
    with pytest.raises(ConfigError, match=rf"^{path}: {message}"):
        load_recipe(path, quick=True)


def test_a_system_by_its_kind_alone_has_cells_too(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "systems": {"nmf": "nmf"}, "grid": GRID}))
    recipe = load_recipe(path)
    assert recipe.compared == ("nmf_few",)
    assert recipe.model_dump()["systems"]["nmf_few"]["settings"]["n_atoms"] == 4

"""Parts that a recipe takes from other files and puts where it needs them, and systems that it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.errors import ConfigError, InputError
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.settings import read_mapping

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
NMF = {"kind": "nmf", "settings": {"n_atoms": 3}}


def write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / name


def test_a_file_is_put_under_each_of_some_keys(tmp_path: Path) -> None:
    write(tmp_path, "part.yaml", {"epochs": 3, "model": {"kind": "x", "size": 1}})
    include = ["base.yaml", {"file": "part.yaml", "at": ["a.training", "b"]}]
    write(tmp_path, "base.yaml", {"a": {"name": "first", "training": {"epochs": 1, "seed": 7}}})
    found = read_mapping(write(tmp_path, "r.yaml", {"include": include, "b": {"model": {"size": 2}}}))
    assert found == {
        # Over what came before it, key by key, and under the file itself.
        "a": {"name": "first", "training": {"epochs": 3, "seed": 7, "model": {"kind": "x", "size": 1}}},
        "b": {"epochs": 3, "model": {"kind": "x", "size": 2}},
    }


def test_order_of_includes_decides(tmp_path: Path) -> None:
    write(tmp_path, "part.yaml", {"epochs": 3})
    write(tmp_path, "base.yaml", {"a": {"epochs": 1}})
    placed = {"file": "part.yaml", "at": ["a"]}
    for include, epochs in ((["base.yaml", placed], 3), ([placed, "base.yaml"], 1), (placed, 3)):
        assert read_mapping(write(tmp_path, "r.yaml", {"include": include}))["a"]["epochs"] == epochs


def test_parts_include_parts_from_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", "deep.yaml", {"seed": 5})
    write(tmp_path / "inner", "part.yaml", {"include": {"file": "deep.yaml", "at": ["x"]}, "epochs": 3})
    found = read_mapping(write(tmp_path, "r.yaml", {"include": [{"file": "inner/part.yaml", "at": ["a.b"]}]}))
    assert found == {"a": {"b": {"epochs": 3, "x": {"seed": 5}}}}


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "part.yaml"},
        {"at": ["a"]},
        {"file": "part.yaml", "at": "a"},
        {"file": "part.yaml", "at": ["a"], "as": 1},
        {"file": "part.yaml", "at": []},
        {"file": "part.yaml", "at": ["a..b"]},
        {"file": "part.yaml", "at": [""]},
        {"file": "part.yaml", "at": [3]},
        {"file": ["part.yaml"], "at": ["a"]},
        3,
        None,
        ["part.yaml"],
    ],
)
def test_other_forms_are_refused(tmp_path: Path, entry: object) -> None:
    write(tmp_path, "part.yaml", {"epochs": 3})
    with pytest.raises(ConfigError, match=r"r.yaml: include = .*: give the path of a file, .* or file .or preset. and"):
        read_mapping(write(tmp_path, "r.yaml", {"include": [entry]}))


def test_missing_files_and_circles_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.yaml: no such file"):
        read_mapping(write(tmp_path, "r.yaml", {"include": {"file": "gone.yaml", "at": ["a"]}}))
    with pytest.raises(ConfigError, match="include one another: remove the circle"):
        read_mapping(write(tmp_path, "r.yaml", {"include": {"file": "r.yaml", "at": ["a"]}}))


def load(
    tmp_path: Path, *overrides: str, quick: bool = False, changes: dict[str, Any] | None = None, **content: Any
) -> SeparationRecipe:
    write(tmp_path, "base.yaml", {"title": "t", "systems": {"mixture": {"kind": "mixture"}, "one": NMF, "two": NMF}})
    path = write(tmp_path, "r.yaml", {"include": "base.yaml", "quick": changes or {}, **content})
    return load_recipe(path, overrides=overrides, quick=quick)


def test_systems_set_to_null_are_left_out(tmp_path: Path) -> None:
    assert list(load(tmp_path).systems) == ["mixture", "one", "two"]
    assert list(load(tmp_path, systems={"one": None}).systems) == ["mixture", "two"]
    assert list(load(tmp_path, "systems.two=null", systems={"one": None}).systems) == ["mixture"]
    # One that was never there, too.
    assert list(load(tmp_path, systems={"three": None}).systems) == ["mixture", "one", "two"]
    # The quick form neither brings them back nor stumbles over them.
    quick = {"systems": {"one": {"settings": {"n_atoms": 2}}, "two": None}}
    assert list(load(tmp_path, quick=True, systems={"one": None}, changes=quick).systems) == ["mixture"]


def test_a_recipe_without_any_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="systems"):
        load(tmp_path, systems=dict.fromkeys(("mixture", "one", "two")))


def test_what_needs_a_system_that_was_left_out_says_so(tmp_path: Path) -> None:
    claim = {"claim": "c", "system": "two", "others": ["one"], "direction": "greater"}
    with pytest.raises(ConfigError, match="unknown system 'one': choose one of mixture, two"):
        load(tmp_path, systems={"one": None}, hypotheses=[claim])
    grid = [{"system": "one", "cells": {"a": {"n_atoms": 2}}}]
    with pytest.raises(ConfigError, match="grid: unknown system 'one': choose one of mixture, two"):
        load(tmp_path, systems={"one": None}, grid=grid)
    filtered = {"kind": "filtered", "settings": {"of": "one", "filter": {"low_hz": 300, "high_hz": 3400}}}
    with pytest.raises(ConfigError, match="of = 'one': name another system of the recipe: mixture, two"):
        load(tmp_path, systems={"one": None, "f": filtered})


@pytest.mark.parametrize("name", ["compare", "reverberant", "underdetermined"])
@pytest.mark.parametrize("quick", [False, True])
def test_multichannel_recipes_train_one_model_beside_the_published_one(name: str, quick: bool) -> None:
    recipe = load_recipe(RECIPES / f"multichannel/{name}.yaml", quick=quick)
    trained = {
        name: choice.settings["training"] for name, choice in recipe.systems.items() if choice.kind == "demixing"
    }
    published = trained.pop("fastmvae2", None)
    assert published is None or published["objective"]["kind"] == "chimera_acvae"
    models = [training for training in trained.values() if training is not None]
    assert models
    assert all(model == models[0] for model in models)
    assert models[0]["model"]["kind"] == "conditional_vae"
    assert recipe.naming == "best_sir"
    assert ("mvae" in recipe.systems) is (name != "underdetermined")
    assert "gmvae" in recipe.systems

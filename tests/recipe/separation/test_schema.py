"""Recipes: what is wrong with one is named with its path."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sepvae.errors import ConfigError, InputError
from sepvae.recipe.catalogue import find_recipe, recipe_files
from sepvae.recipe.kinds import load_recipe
from sepvae.settings import merge, parse_override


def write(folder: Path, name: str = "recipe.yaml", **keys: object) -> Path:
    """Write a small valid recipe with some keys changed."""
    path = folder / name
    path.write_text(yaml.safe_dump({"title": "t", "systems": {"mixture": {"kind": "mixture"}}, **keys}))
    return path


def test_defaults_are_those_of_the_survey(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path))
    assert (recipe.mixing.n_train, recipe.mixing.n_test) == (80, 10)
    assert recipe.splits == ("speaker_seen", "speaker_open")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sytems": {}}, "unknown key 'sytems': did you mean 'systems'?"),
        ({"seed": "five"}, "seed = 'five'"),
        ({"seed": -1}, "seed = -1"),
        ({"mixing": {"n_trian": 3}}, "unknown key 'mixing.n_trian': did you mean 'n_train'?"),
        ({"systems": {}}, "systems"),
        ({"systems": {"x/y": {"kind": "mixture"}}}, "system name 'x/y'"),
        ({"systems": {"a": {"kind": "os:system"}}}, "unknown system 'os:system'"),
        ({"systems": {"a": {"kind": "nmf", "settings": {"n_atom": 3}}}}, "did you mean 'n_atoms'?"),
        ({"systems": {"a": {"kind": "nmf", "settings": {"n_atoms": 0}}}}, "n_atoms = 0"),
        ({"evaluation": {"measures": ["si_sdrr"]}}, "did you mean 'si_sdr'?"),
        ({"splits": ["elsewhere"]}, "splits.0 = 'elsewhere'"),
        (
            {"systems": {"a": {"kind": "source_models", "settings": {"model": {"settings": {"hiden": [3]}}}}}},
            "did you mean 'hidden'?",
        ),
        (
            {"systems": {"a": {"kind": "source_models", "settings": {"objective": {"kind": "eblo"}}}}},
            "did you mean 'elbo'?",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    path = write(tmp_path, **keys)
    with pytest.raises(ConfigError) as error:
        load_recipe(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_defaults_of_components_are_resolved(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, systems={"vae": {"kind": "source_models"}}))
    settings = recipe.systems["vae"].settings
    assert settings["model"]["settings"]["hidden"] == [256, 256]
    assert settings["frontend"]["stft"] == {"window_ms": 16.0, "hop_ms": 8.0, "window": "hann"}


def test_overrides_beat_quick_which_beats_the_file_which_beats_its_include(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", seed=1, mixing={"n_train": 40, "n_test": 4})
    path = tmp_path / "recipe.yaml"
    path.write_text("include: base.yaml\nmixing: {n_train: 30}\nquick: {mixing: {n_train: 8}, seed: 2}\n")
    assert load_recipe(path).mixing.n_train == 30
    assert load_recipe(path).mixing.n_test == 4
    assert load_recipe(path, quick=True).mixing.n_train == 8
    recipe = load_recipe(path, quick=True, overrides=["mixing.n_train=9"])
    assert (recipe.mixing.n_train, recipe.seed) == (9, 2)


@pytest.mark.parametrize("text", ["seed", "=3", "a..b=3", "a=[1"])
def test_malformed_overrides(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parse_override(text)


def test_yaml_cannot_name_code(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("title: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_recipe(path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", ""])
def test_a_recipe_is_a_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="expected a mapping of keys to values"):
        load_recipe(path)


def test_circular_includes_end(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("include: b.yaml\n")
    (tmp_path / "b.yaml").write_text("include: a.yaml\n")
    with pytest.raises(ConfigError, match="include one another"):
        load_recipe(tmp_path / "a.yaml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")


def test_merge_replaces_lists_and_leaves_its_arguments_alone() -> None:
    base = {"a": {"b": [1, 2], "c": 1}}
    assert merge(base, {"a": {"b": [3]}}) == {"a": {"b": [3], "c": 1}}
    assert base == {"a": {"b": [1, 2], "c": 1}}


@pytest.mark.parametrize("name", recipe_files())
@pytest.mark.parametrize("quick", [False, True])
def test_every_recipe_of_the_project_is_valid(name: str, quick: bool) -> None:
    assert load_recipe(find_recipe(name), quick=quick).title


def test_a_quick_section_that_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="quick = 3: give a mapping"):
        load_recipe(write(tmp_path, quick=3))


def test_several_includes_add_up(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", notes=["first"], quick={"seed": 7})
    (tmp_path / "part.yaml").write_text("systems: {ceiling: {kind: ideal_mask}}\nnotes: [second]\n")
    path = tmp_path / "whole.yaml"
    path.write_text("include: [base.yaml, part.yaml]\ntitle: whole\nnotes: [third]\n")
    recipe = load_recipe(path)
    assert (recipe.title, list(recipe.systems), recipe.notes) == (
        "whole",
        ["mixture", "ceiling"],
        ("first", "second", "third"),
    )
    assert load_recipe(path, quick=True).seed == 7
    path.write_text("include: {a: 1}\n")
    with pytest.raises(ConfigError, match=r"give the path of a file, a list of paths, or file .or preset. and"):
        load_recipe(path)


def test_quick_settings_of_systems_that_are_not_there_change_nothing(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, quick={"systems": {"vae": {"settings": {"mask": "wiener"}}}}), quick=True)
    assert list(recipe.systems) == ["mixture"]


GRID = [
    {"system": "vae", "cells": {"A": {"frontend": {"stft": {"window_ms": 64}}}, "B": {}}},
    {"system": "vae", "cells": {"latent_32": {"model": {"settings": {"latent": 32}}}}},
]


def test_a_grid_is_a_system_for_each_cell(tmp_path: Path) -> None:
    systems = {"mixture": {"kind": "mixture"}, "vae": {"kind": "source_models", "settings": {"mask": "wiener"}}}
    recipe = load_recipe(write(tmp_path, systems=systems, grid=GRID), overrides=["systems.vae.settings.mask=ratio"])
    assert list(recipe.systems) == ["mixture", "vae_A", "vae_B", "vae_latent_32"]
    stft = {name: choice.settings["frontend"]["stft"] for name, choice in recipe.systems.items() if name != "mixture"}
    assert stft["vae_A"]["window_ms"] == 64
    assert stft["vae_B"]["window_ms"] != 64
    assert recipe.systems["vae_latent_32"].settings["model"]["settings"]["latent"] == 32
    assert {choice.settings["mask"] for name, choice in recipe.systems.items() if name != "mixture"} == {"ratio"}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([{"system": "vea", "cells": {}}], "grid: unknown system 'vea': choose one of mixture"),
        ([{"system": "mixture"}], r"an entry has the keys system \(a name\) and cells \(a mapping"),
        ([{"system": ["mixture"], "cells": {}}], r"an entry has the keys system \(a name\) and cells \(a mapping"),
        # YAML reads 80_7600 as 807600.
        ([{"system": "mixture", "cells": {807600: {}}}], "cell 807600 is read as a number: put its name in quotes"),
        ([{"system": "mixture", "cells": {"x": 3}}], r"grid: mixture, x = 3: give a mapping of keys to values"),
        ({"system": "mixture"}, "give a list of entries with system and cells"),
        ([{"system": "mixture", "cells": {"x": {"windw": 3}}}], "unknown key 'windw'"),
    ],
)
def test_mistakes_in_a_grid_are_named(tmp_path: Path, grid: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, grid=grid))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": "vea"}, "hypothesis 'c': unknown system 'vea': choose one of mixture"),
        ({"measure": "sdr"}, "unknown measure 'sdr'"),
        ({"others": []}, "others"),
        ({"direction": "equal"}, "hypothesis 'c': direction equal: give the margin of what is still equal"),
    ],
)
def test_mistakes_in_a_hypothesis_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    claim = {"claim": "c", "system": "mixture", "others": ["mixture"], "direction": "greater", **changes}
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, hypotheses=[claim]))

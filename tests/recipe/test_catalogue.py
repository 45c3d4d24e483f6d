"""The recipes that come with sepvae: found by name, listed, shown, and read without what they do not need."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sepvae.cli import build_parser, main
from sepvae.errors import ConfigError
from sepvae.files import resource
from sepvae.recipe.catalogue import find_recipe, list_recipes, recipe_files

PROJECT = Path(__file__).resolve().parents[2]
PARTS = {"base", "multichannel/blind", "multichannel/systems"}
# How models that come with sepvae were made.
PARTS |= {f"defaults/{model}_{what}" for model in ("any_talkers", "noise") for what in ("mix", "train", "card")}
PARTS |= {"defaults/people"}
# Folders of parts alone.
FOLDERS = ("ceilings", "protocol", "settings", "systems")


def test_what_has_no_title_is_a_part_of_recipes() -> None:
    folder = PROJECT / "recipes"
    files = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")}
    parts = files - set(recipe_files())
    assert {name for name in parts if name.split("/")[0] not in FOLDERS} == PARTS
    assert not {name for name in recipe_files() if name.split("/")[0] in FOLDERS}


def test_what_is_beside_the_package_is_in_the_wheel_too() -> None:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        included = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for name in ("data", "recipes"):
        assert included[name] == f"sepvae/{name}"
        assert resource(name) == PROJECT / name


def test_a_path_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert find_recipe("demo") == PROJECT / "recipes" / "demo.yaml"
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("title: mine\n")
    assert find_recipe("demo") == Path("demo")


@pytest.mark.parametrize(
    ("given", "folder"),
    [("timit/vae", "runs/timit/vae"), ("noise/vivos", "runs/noise/vivos"), ("mine/vae.yaml", "runs/vae")],
)
def test_results_lie_under_the_name_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, folder: str
) -> None:
    """Recipes of one name in two folders of sepvae's do not meet; a file's own folder says nothing."""

    def found(recipe: object, *, out: Path, **options: object) -> None:
        raise ConfigError(f"results in {out}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sepvae.recipe.run.run_recipe", found)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vae.yaml").write_text("title: mine\nsystems: {floor: mixture}\n")
    args = build_parser().parse_args(["recipe", "run", given])
    with pytest.raises(ConfigError, match=f"results in {folder}$"):
        args.run(args)


@pytest.mark.parametrize("name", ["timit/vea", "timit/vea.yaml", "recipes/timit/vea.yaml"])
def test_an_unknown_name_lists_close_ones(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown recipe 'timit/vea': did you mean 'timit/vae'\? choose one of augment"
    ):
        find_recipe(name)


def test_a_file_of_the_repository_is_a_recipe_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"recipes/timit/vae.yaml: no such file: did you mean 'timit/vae'\?"):
        find_recipe("recipes/timit/vae.yaml")


def test_what_no_file_can_be_called_is_no_recipe() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'aaa"):
        find_recipe("a" * 5000)


def test_a_part_is_no_recipe() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'base'"):
        find_recipe("base")


def test_every_recipe_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    found = {one.name: one for one in list_recipes()}
    assert "makes its own" in found["demo"].data
    assert "phones" in found["augment/clean_model"].data
    assert found["noise/vivos"].data.startswith("VIVOS")
    assert main(["recipe", "list"]) == 0
    lines = capsys.readouterr().out
    assert all(
        f"{one.name} " in lines and one.title in lines and f"needs {one.data}" in lines for one in found.values()
    )


def test_a_recipe_is_shown_as_it_is_and_resolved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["recipe", "show", "timit/vae"]) == 0
    assert capsys.readouterr().out == (PROJECT / "recipes/timit/vae.yaml").read_text()
    assert main(["recipe", "show", "timit/stft_grid", "--resolved", "--quick", "--set", "seed=3"]) == 0
    text = capsys.readouterr().out
    # The resolved form is a recipe too, and the same one.
    (tmp_path / "r.yaml").write_text(text)
    assert main(["recipe", "show", str(tmp_path / "r.yaml"), "--resolved"]) == 0
    assert capsys.readouterr().out == text
    resolved = yaml.safe_load(text)
    assert resolved["seed"] == 3
    assert resolved["systems"]["vae_A"]["label"] == "VAE: A"
    assert main(["recipe", "show", "timit/vae", "--quick"]) == 2
    assert "give --resolved too" in capsys.readouterr().err


def test_the_layout_of_the_corpus_is_a_setting(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    run = ["recipe", "run", "timit/vae", "--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main([*run, "--layout", "timti"])
    assert "argument --layout: unknown corpus 'timti': did you mean 'timit'" in capsys.readouterr().err
    assert main([*run, "--layout", "vivos"]) == 1
    assert json.loads((tmp_path / "out/recipe.json").read_text())["corpus"]["layout"] == "vivos"


def test_reading_a_recipe_of_separation_imports_nothing_of_augmentation() -> None:
    code = (
        "import sys\n"
        "from sepvae.recipe.catalogue import find_recipe\n"
        "from sepvae.recipe.kinds import load_recipe\n"
        "load_recipe(find_recipe('multichannel/compare'))\n"
        "rooms = ('sepvae.augment', 'sepvae.recognition', 'sepvae.recipe.augmentation', 'sepvae.report.page')\n"
        "print(*(name for name in sys.modules if name.startswith(rooms)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_listing_recipes_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from sepvae.cli import main\n"
        "main(['recipe', 'list'])\n"
        "sys.exit(f'imported {heavy}' if (heavy := {'torch', 'scipy', 'numpy'} & set(sys.modules)) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

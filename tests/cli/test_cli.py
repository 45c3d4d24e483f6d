"""The program as a whole: fast help, exit codes, messages without tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sepvae.cli import VERBS


def test_help_names_every_verb(sepvae) -> None:
    done = sepvae("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from sepvae.cli import build_parser; build_parser(); "
        "heavy = {'torch', 'scipy', 'numpy', 'librosa', 'matplotlib', 'pydantic', 'yaml', 'rich'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args", [[], ["sing"], ["separate"], ["corpus"], ["recipe", "run"], ["mix", "x"]])
def test_wrong_usage_is_exit_code_2(sepvae, args: list[str]) -> None:
    assert sepvae(*args).returncode == 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(sepvae, verb: str) -> None:
    done = sepvae(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: sepvae")


def test_version(sepvae) -> None:
    assert sepvae("--version").stdout.startswith("sepvae ")


def test_info(sepvae, model: Path) -> None:
    facts = json.loads(sepvae("info", "--json").stdout)
    assert facts["versions"]["torch"]
    about = json.loads(sepvae("info", model, "--json").stdout)
    assert about["sources"] == "female, male"


def test_a_recipe_with_a_typo(sepvae, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("title: x\nsytems: {}\n")
    done = sepvae("recipe", "run", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "unknown key 'sytems': did you mean 'systems'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_its_corpus(sepvae, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("title: x\nsystems: {mixture: {kind: mixture}}\n")
    done = sepvae("recipe", "run", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "give its folder with --corpus DIR" in done.stderr


@pytest.mark.parametrize("args", [["corpus", "list"], ["corpus", "validate"], ["recipe", "run", "{}", "--corpus"]])
def test_a_missing_folder(sepvae, tmp_path: Path, args: list[str]) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("title: x\nsystems: {mixture: {kind: mixture}}\n")
    filled = [str(recipe) if arg == "{}" else arg for arg in args]
    done = sepvae(*filled, tmp_path / "none", *(["--out", tmp_path / "out"] if "recipe" in args else []))
    assert done.returncode == 1
    assert f"{tmp_path}/none: no such folder" in done.stderr
    assert "Traceback" not in done.stderr

"""The program as a whole: fast help, exit codes, messages without tracebacks."""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sepvae.cli import VERBS, build_parser, main
from sepvae.corpora import CORPORA
from sepvae.corpora.demo import make_demo_corpus
from sepvae.evaluation import MEASURES

# Verbs that still list the names of a table as choices.
PENDING: set[str] = set()


def test_help_names_every_verb(program) -> None:
    done = program("--help")
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
def test_wrong_usage_is_exit_code_2(program, args: list[str]) -> None:
    assert program(*args).returncode == 2


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of the program, those of its verbs, and those of their actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for own in action.choices.values():
                yield from parsers(own)


@pytest.mark.parametrize("parser", list(parsers(build_parser())), ids=lambda parser: parser.prog)
def test_help_fits_a_terminal_and_shows_defaults(
    parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = parser.format_help().splitlines()
    assert lines[0].startswith("usage: sepvae")
    assert PENDING & set(parser.prog.split()) or max(map(len, lines)) <= 80
    text = " ".join(parser.format_help().split())
    for action in parser._actions:
        if action.option_strings and action.default not in (None, argparse.SUPPRESS, []) and action.nargs != 0:
            assert f"(default: {action.default})" in text, action.dest


def test_help_of_folders_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    (evaluate,) = (parser for parser in parsers(build_parser()) if parser.prog == "sepvae evaluate")
    assert "\n  ESTIMATES/<item>/<source>.wav\n  REFERENCES/<item>/<source>.wav   REF" in evaluate.format_help()


def test_names_of_tables_are_listed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    help_of = {parser.prog: " ".join(parser.format_help().split()) for parser in parsers(build_parser())}
    for verb in ("mix", "corpus list", "corpus validate"):
        assert all(name in help_of[f"sepvae {verb}"] for name in CORPORA)
    assert all(name in help_of["sepvae evaluate"] for name in MEASURES)
    for command, message in (
        (["mix", "DIR", "-o", "m.jsonl", "--layout", "timt"], "--layout: unknown corpus 'timt': did you mean 'timit'?"),
        (
            ["evaluate", "--references", "DIR", "--estimates", "DIR", "--measures", "si_sdr", "sdr"],
            "--measures: unknown measure 'sdr': did you mean 'snr'? choose one of sdr_bsseval_v3_512, ",
        ),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(command)
        assert message in capsys.readouterr().err


def test_folders_to_evaluate_have_to_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for place, message in (("nowhere", "no such folder"), ("file", "is a file, expected a folder")):
        for key, other in (("--references", "--estimates"), ("--estimates", "--references")):
            assert main(["evaluate", key, str(tmp_path / place), other, str(tmp_path)]) == 1
            assert f"{tmp_path / place}: {message}: give that of the" in capsys.readouterr().err
    assert main(["evaluate", "--references", str(tmp_path), "--estimates", str(tmp_path)]) == 1
    assert f"{tmp_path}: no folders of references found there" in capsys.readouterr().err


def test_a_default_of_the_command_line_is_that_of_the_function() -> None:
    defaults = build_parser().parse_args(["corpus", "demo", "DIR"])
    assert defaults.speakers == inspect.signature(make_demo_corpus).parameters["speakers"].default


def test_version(program) -> None:
    assert program("--version").stdout.startswith("sepvae ")


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


@pytest.mark.parametrize("verb", ["demix talk.wav --algorithm mvae", "enhance talk.wav", "augment run corpus"])
def test_a_second_model_does_not_take_the_place_of_the_first(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*verb.split(), "-o", "out", "-m", "one", "-m", "other"])
    assert "-m other: was given already, and one is taken" in capsys.readouterr().err

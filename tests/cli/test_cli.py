"""The program as a whole: fast help, exit codes, messages without tracebacks."""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sepvae import progress
from sepvae.cli import VERBS, build_parser, info, main
from sepvae.corpora import CORPORA
from sepvae.corpora.demo import make_demo_corpus
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.evaluation import MEASURES
from sepvae.training.config import TrainingConfig, fresh_checkpoint

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
    assert (
        "\n  item/source: DIR/<item>/<source>.wav    DIR/<item>/mixture.wav\n  source/item: DIR/"
        in evaluate.format_help()
    )


def test_names_of_tables_are_listed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    help_of = {parser.prog: " ".join(parser.format_help().split()) for parser in parsers(build_parser())}
    for verb in ("mix", "corpus list", "corpus validate"):
        assert all(name in help_of[f"sepvae {verb}"] for name in CORPORA)
    assert all(name in help_of["sepvae evaluate"] for name in MEASURES)
    for command, message in (
        (["mix", "DIR", "-o", "m.jsonl", "--layout", "timt"], "--layout: unknown corpus 'timt': did you mean 'timit'?"),
        (
            ["evaluate", "--references", "DIR", "--estimates", "DIR", "--measures", "si_sdr,sdr"],
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
    assert f"{tmp_path}: no folders of audio files found there" in capsys.readouterr().err


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


def test_info_has_a_line_for_each_fact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, training = tmp_path / "model", TrainingConfig()
    provenance = {"data": {"n_train": 3, "speakers": ["a", "b"]}, "training": training.model_dump(mode="json")}
    save_checkpoint(folder, fresh_checkpoint(training, ["female", "male"]), provenance=provenance)
    assert main(["info", f"{folder}"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 100 and "{" not in text
    for line in (
        "data.n_train 3",
        'data.speakers ["a","b"]',
        f"optimiser.epochs {training.optimiser.epochs}",
        "model.kind dense_vae",
    ):
        assert f"\n    {line}" in re.sub(r"(?<=\S) +", " ", text), line


def test_info_names_every_optional_part() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(info._PARTS) == set(project["optional-dependencies"]) - {"all", "dev"}


def test_groups_say_what_they_are_for() -> None:
    for parser in parsers(build_parser()):
        if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
            assert parser.description, parser.prog


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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("separate a.wav -m M -o O --mask weiner", "--mask: unknown mask 'weiner': did you mean 'wiener'?"),
        ("separate a.wav -m M -o O --subtype pcm32", "--subtype: unknown kind of samples 'pcm32': did you mean 'pcm"),
        ("demix a.wav -o O --algorithm auxivaa", "--algorithm: unknown algorithm 'auxivaa': did you mean 'auxiva'?"),
        ("enhance a.wav -m M -o O --inference mpa", "--inference: unknown inference 'mpa': did you mean 'map'?"),
        (
            "train M --corpus C -o O --preset vea",
            "--preset: unknown preset 'vea': did you mean 'vae'?",
        ),
        ("augment run C -o O --format wave", "--format: unknown format 'wave': did you mean 'wav'?"),
        ("augment run C -o O --contents sample", "--contents: unknown contents 'sample': did you mean 'samples'?"),
        ("augment run C -o O --paths absolve", "--paths: unknown kind of paths 'absolve': did you mean 'absolute'?"),
        ("corpus fetch timit-sampel DIR", "name: unknown corpus to fetch 'timit-sampel': did you mean 'timit-sample'?"),
    ],
)
def test_a_wrong_name_is_told_with_the_closest(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    line_message = message if message.startswith("--") else "{timit-sample}" + message.removeprefix("name")
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert f"error: argument {line_message}" in capsys.readouterr().err.replace("-m/--", "--")


def test_no_verb_lists_choices_without_the_closest() -> None:
    for parser in parsers(build_parser()):
        for action in parser._actions:
            assert action.choices is None or isinstance(action, argparse._SubParsersAction), (parser.prog, action.dest)


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("separate a.wav -m M -o O --set a=1", "usage: sepvae separate"),
        ("augment run C -o O --channels 0", "usage: sepvae augment run"),
        ("evaluate --references A --estimates B --measures snr si_sdr", "usage: sepvae evaluate"),
    ],
)
def test_unknown_arguments_are_told_with_the_usage_of_the_verb(
    line: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    err = capsys.readouterr().err
    assert err.startswith(usage) and "unrecognized arguments: " in err


def test_lists_have_commas() -> None:
    read = build_parser().parse_args
    options = ["--speakers", "bob,alice", "--channels", "0,2", "meeting.wav"]
    args = read(["demix", "--algorithm", "auxiva", "-o", "O", *options])
    assert (args.speakers, args.channels, args.files) == (["bob", "alice"], [0, 2], ["meeting.wav"])
    args = read(["evaluate", "--references", "A", "--estimates", "B", "--measures", "snr,si_sdr"])
    assert args.measures == ["snr", "si_sdr"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("demix a.wav --algorithm auxiva -o O --channels 0,x", "--channels: invalid list of int value: '0,x'"),
        ("demix a.wav --algorithm auxiva -o O --speakers ,", "--speakers: is empty: give one, or several with commas"),
        ("evaluate --references A --estimates B --measures snr,si", "--measures: unknown measure 'si': did you mean"),
        *(
            (f"{verb} -j {number}", f"-j/--jobs: {number}: give 1 or more")
            for number in (0, -2)
            for verb in (
                "corpus demo DIR",
                "evaluate --references A --estimates B",
                "augment run C -o O",
                "recipe run demo",
            )
        ),
        ("corpus demo DIR -j x", "-j/--jobs: invalid number of processes value: 'x'"),
    ],
)
def test_lists_and_numbers_of_processes_are_checked(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert f"error: argument {message}" in capsys.readouterr().err


def test_all_verbs_use_all_cores() -> None:
    found = {parser.prog: parser.get_default("jobs") for parser in parsers(build_parser())}
    assert {prog: jobs for prog, jobs in found.items() if jobs is not None} == dict.fromkeys(
        ("sepvae corpus demo", "sepvae augment run", "sepvae evaluate", "sepvae recipe run"), os.cpu_count()
    )


@pytest.mark.parametrize(
    "line",
    [
        "mix C -o {file}",
        "corpus mixtures C -o {file}",
        "mix C -o new --audio {folder}",
        "corpus mixtures C -o new --audio {folder}",
        "evaluate --references C --estimates C -o {file}",
    ],
)
def test_what_is_there_stays(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "folder/notes.txt"
    file.parent.mkdir()
    file.write_text("mine")
    command = [part.format(file=file, folder=file.parent) for part in line.split()]
    assert main(command) == 1
    taken = file if "{file}" in line else file.parent
    assert f"{taken} exists: pass --overwrite to replace it" in capsys.readouterr().err
    # Now it is the folder that is missing.
    assert main([*command, "--overwrite"]) == 1
    assert "exists" not in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize("flag", ["-q", "-v"])
def test_how_much_is_told_ends_with_the_command(flag: str, tmp_path: Path) -> None:
    logger = logging.getLogger("sepvae")
    before = logger.level, [*logger.handlers], progress.has_listeners()
    assert main(["info", f"{tmp_path}/none", flag]) == 1
    assert (logger.level, logger.handlers, progress.has_listeners()) == before

"""Whatever is handed to the program: messages of ours and the exit codes 0, 1, 2, 130 and 143; never a traceback.

In process an exception that nobody foresaw is the failure of the test; in a process of its own it is told by `FAULT`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sepvae.cli import VERBS, main, program
from sepvae.errors import FAULT

from .material import Spoil, World, make_world, spoil_bytes, spoil_json, spoil_lines, spoil_yaml

CODES = {0, 1, 2, 130, 143}
# What is spoiled, and how; and the arguments that read it, in the folder of the world.
SPOILS: dict[str, tuple[Spoil, list[list[str]]]] = {
    "recipe.yaml": (spoil_yaml, [["recipe", "check", "recipe.yaml"], ["recipe", "check", "recipe.yaml", "--quick"]]),
    "settings.yaml": (
        spoil_yaml,
        [
            ["train", "none.jsonl", "--corpus", "corpus", "-o", "out", "--config", "settings.yaml"],
            ["mix", "corpus", "-o", "out.jsonl", "--config", "settings.yaml"],
            ["separate", "a.wav", "-m", "model", "-o", "out", "--config", "settings.yaml"],
        ],
    ),
    "mixtures.jsonl": (
        spoil_lines,
        [["train", "mixtures.jsonl", "--corpus", "corpus", "-o", "out", "-d", "cpu", "--config", "settings.yaml"]],
    ),
    "model/config.json": (spoil_json, [["info", "model"], ["separate", "a.wav", "-m", "model", "-o", "out"]]),
    "model/provenance.json": (spoil_json, [["info", "model"], ["info", "model", "--json"]]),
    "model/model.safetensors": (spoil_bytes, [["separate", "a.wav", "-m", "model", "-o", "out"]]),
    "run/results.json": (spoil_json, [["report", "run", "--markdown"], ["report", "run"]]),
    "a.wav": (spoil_bytes, [["separate", "a.wav", "-m", "model", "-o", "out"]]),
}
# Arguments of every verb, in any order and number; no word of them makes more than a file in the folder of the world.
WORDS = [
    *VERBS, *("list", "show", "check", "validate", "model", "a.wav", "corpus", "mixtures.jsonl", "recipe.yaml", "run"),
    *("-o", "out", "-m", "--set", "--config", "settings.yaml", "--quick", "--markdown", "--json", "-q", "-v", "--help"),
    *("--seed", "-j", "--talkers", "--speakers", "--corpus", "--preset", "--layout", "--plugin", "--references"),
    *("--estimates", "--measures", "--overwrite", "--device", "-d", "--shard", "--version", "--algorithm", "--method"),
    *("0", "1", "-1", "1/2", "0/0", "9" * 400, "1e300", "nan", "x", "", " ", "a=b", "=", "a.b.c=1", "seed=[", "é", "-"),
    *("room.size_m=1e300", "n_train=" + "9" * 30, "sources=[" + "a," * 200 + "b]", "optimiser.batch_size=10000000000"),
    *(".".join("a" * 3000) + "=1", "x={" * 500, "x=!!python/object/apply:os.system [true]", "x=2024-13-45"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world") / "sound")


def spoil(data: st.DataObject, sound: World) -> tuple[World, list[str]]:
    """Return a copy of the world with something in it spoiled, and arguments that read that."""
    spoiled = sound.copy(sound.folder.parent / "spoiled")
    name = data.draw(st.sampled_from([*SPOILS, ""]))
    if not name:
        return spoiled, data.draw(st.lists(st.sampled_from(WORDS), max_size=8).filter(_is_harmless))
    how, readers = SPOILS[name]
    how(data, spoiled.folder / name)
    return spoiled, data.draw(st.sampled_from(readers))


def _is_harmless(words: Sequence[str]) -> bool:
    """Return whether arguments neither train on all that there is for long nor fetch anything."""
    return not {"train", "run", "demo", "fetch"} & set(words[:2]) or words[:1] == ["report"]


def check_in_process(data: st.DataObject, sound: World, capsys: pytest.CaptureFixture[str]) -> None:
    spoiled, arguments = spoil(data, sound)
    with contextlib.chdir(spoiled.folder):
        try:
            code: object = main(arguments)
        except SystemExit as end:
            code = end.code
    found = capsys.readouterr()
    assert code in CODES, arguments
    assert code == 0 or found.err or found.out, f"{arguments}: nothing was said"
    assert "Traceback" not in found.err, arguments


BY_HAND = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.generate],
}


@given(data=st.data())
@seed(15)
@settings(max_examples=60, **BY_HAND)
def test_a_slice_of_the_fuzz(data: st.DataObject, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    check_in_process(data, world, capsys)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=2000, **BY_HAND)
def test_the_whole_fuzz(data: st.DataObject, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    check_in_process(data, world, capsys)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=100, **BY_HAND)
def test_the_fuzz_as_programs(data: st.DataObject, world: World) -> None:
    spoiled, arguments = spoil(data, world)
    command = [sys.executable, "-m", "sepvae", *(word.replace("\0", "") for word in arguments)]
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, cwd=spoiled.folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, timeout=120
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode in CODES, (arguments, done)
    assert "Traceback" not in said and FAULT not in said, (arguments, said)


def test_what_nobody_foresaw_is_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program says so without a traceback; `main`, which this fuzz calls, raises it."""
    monkeypatch.setattr(sys, "argv", ["sepvae", "info"])
    monkeypatch.setattr("sepvae.cli.build_parser", lambda: 1 / 0)
    assert program() == 1
    said = capsys.readouterr().err
    assert f"sepvae: error: {FAULT} (ZeroDivisionError: division by zero): report it" in said
    assert "Traceback" not in said
    with pytest.raises(ZeroDivisionError):
        main(["info"])

"""What a stopped command had done: kept by the same command alone, and only where nobody touched it since."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import unfinished
from sepvae.errors import OutputError
from sepvae.files import to_json
from sepvae.unfinished import Unfinished

COMMAND = {"verb": "separate", "inputs": ["a"]}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """An input and an output; of item `a`, which is done, and item `b`, which is begun."""
    source, output = tmp_path / "a.wav", tmp_path / "out" / "a" / "x.wav"
    source.write_text("in")
    output.parent.mkdir(parents=True)
    with Unfinished(tmp_path / "out", COMMAND) as batch:
        batch.begin("a")
        output.write_text("out")
        batch.finish("a", [source], {"outputs": {"x": str(output)}})
        batch.begin("b")
    return source, output


def test_the_same_command_keeps_what_is_done(tmp_path: Path, made: tuple[Path, Path]) -> None:
    source, output = made
    with Unfinished(tmp_path / "out", COMMAND) as batch:
        assert batch.n_done == 1
        assert batch.kept("a", [source]) == {"outputs": {"x": str(output)}}
        assert batch.kept("b", []) is None and batch.may_replace("b")
        assert batch.kept("c", []) is None and not batch.may_replace("c")
        batch.clear()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_another_command_keeps_and_replaces_nothing(tmp_path: Path, made: tuple[Path, Path]) -> None:
    with Unfinished(tmp_path / "out", {**COMMAND, "verb": "enhance"}) as batch:
        assert batch.n_done == 0 and batch.kept("a", [made[0]]) is None and not batch.may_replace("a")
        batch.begin("b")
    # What is there of b is the other command's from now on.
    with Unfinished(tmp_path / "out", COMMAND) as batch:
        assert not batch.may_replace("b")


def test_what_was_touched_since_is_not_kept(tmp_path: Path, made: tuple[Path, Path]) -> None:
    source, output = made
    os.utime(source, (1, 1))
    with Unfinished(tmp_path / "out", COMMAND) as batch:
        # The outputs are those of this command, from what the input was.
        assert batch.kept("a", [source]) is None and batch.may_replace("a")
        output.unlink()
        assert batch.may_replace("a")
        output.write_text("somebody else's")
        assert batch.kept("a", [source]) is None and not batch.may_replace("a")


def test_outputs_are_told_apart_by_their_names(tmp_path: Path) -> None:
    outputs = {name: tmp_path / name for name in ("mixture", "hum", "b")}
    with Unfinished(tmp_path, COMMAND) as batch:
        batch.begin("a")
        for number, path in enumerate(outputs.values()):
            path.write_text("x" * number)
        made = {"outputs": {name: str(path) for name, path in outputs.items()}}
        batch.finish("a", [], made)
    with Unfinished(tmp_path, COMMAND) as batch:
        assert batch.kept("a", []) == made


@given(cut=st.integers(0, 400), junk=st.binary(max_size=20))
def test_a_torn_or_damaged_note_is_of_nobody(cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with Unfinished(folder, COMMAND) as batch:
        batch.begin("a")
        batch.finish("a", [], {"is": "done", "outputs": {}})
    (note,) = folder.iterdir()
    note.write_bytes(note.read_bytes()[:cut] + junk)
    with Unfinished(folder, COMMAND) as batch:
        assert batch.kept("a", []) in (None, {"is": "done", "outputs": {}})
        batch.begin("b")
    with Unfinished(folder, COMMAND) as batch:
        assert batch.may_replace("b")


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_one_process_runs_a_command(tmp_path: Path) -> None:
    with Unfinished(tmp_path, COMMAND) as batch:
        batch.begin("a")
        with pytest.raises(OutputError, match="another process runs the same command: wait for it"):
            Unfinished(tmp_path, COMMAND)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "")

    batch = Unfinished(tmp_path, COMMAND)
    for write in (full, lambda *_: 3):
        with monkeypatch.context() as patch, batch, pytest.raises(OutputError, match="the disk is full"):
            patch.setattr(unfinished.os, "write", write)
            batch.begin("a")
    assert not batch.may_replace("a")


def note_of(folder: Path) -> Path:
    """Make the note of a command, with nothing in it, and return where it lies."""
    with Unfinished(folder, COMMAND) as batch:
        batch.begin("a")
    (note,) = folder.glob(".sepvae-*.unfinished")
    note.write_bytes(b"")
    return note


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda value: (
        st.lists(value, max_size=3)
        | st.dictionaries(st.sampled_from(["item", "inputs", "outputs", "state", "made", "taken", "x"]), value)
    ),
    max_leaves=8,
)
STATE = st.none() | st.lists(st.integers(0, 9), min_size=2, max_size=2) | JSON
OUTPUT = st.sampled_from([".", "none", "\0", "\ud800", ""]) | JSON


def some_of(right: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps with right values, but for none, one or more that may be anything or missing."""
    loose = {key: value | JSON for key, value in right.items()}
    return st.fixed_dictionaries(right) | st.fixed_dictionaries({}, optional=loose)


# Like the note of an item that is done, but for one thing or another.
ENTRIES = some_of(
    {
        "item": st.just("a"),
        "inputs": st.lists(STATE, max_size=1),
        "state": st.lists(STATE, max_size=2),
        "made": some_of({"outputs": st.dictionaries(st.sampled_from("xy"), OUTPUT)}),
    }
)


@given(entries=st.lists(ENTRIES | JSON, max_size=4))
def test_what_has_not_the_form_of_a_note_is_none(
    entries: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    note_of(folder).write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    with Unfinished(folder, COMMAND) as batch:
        assert 0 <= batch.n_done <= len(entries)
        for item in ("a", ""):
            assert isinstance(batch.may_replace(item), bool)
            for inputs in ([], [folder / "none"]):
                kept = batch.kept(item, inputs)
                # All of it can be told.
                assert kept is None or (to_json(kept) and all(Path(path).exists() for path in kept["outputs"].values()))
        batch.begin("a")
        assert batch.may_replace("a")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": []},
        {"state": [None]},
        {"state": [[1]]},
        {"state": [[1, True]]},
        {"state": [["1", 2]]},
        {"inputs": [1]},
        {"inputs": {}},
        {"made": {"outputs": {"x": 7}}},
        {"made": {"outputs": ["none"]}},
        {"made": {}},
        {"made": []},
        {"made": {"outputs": {"x": "none"}, "more": float("nan")}},
        {"item": ["a"]},
    ],
)
def test_one_wrong_thing_makes_it_no_note(tmp_path: Path, changes: dict[str, object]) -> None:
    right = {"item": "a", "inputs": [None], "state": [[1, 2]], "made": {"outputs": {"x": str(tmp_path / "none")}}}
    for entry, known in ((right, True), (right | changes, False)):
        note_of(tmp_path).write_text(json.dumps(entry) + "\n")
        with Unfinished(tmp_path, COMMAND) as batch:
            assert (batch.n_done == 1) == known
            assert batch.may_replace("a") == known
            assert batch.kept("a", [tmp_path / "none"]) is None


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b"7", b"\xff", b'{"item": "a", "more": "' + b"x" * (1 << 20) + b'"}', b'{"item": "a", "made": 1}'],
)
def test_lines_that_no_command_writes_say_nothing(tmp_path: Path, line: bytes) -> None:
    note_of(tmp_path).write_bytes(line + b'\n{"item": "b"}')
    with Unfinished(tmp_path, COMMAND) as batch:
        assert not batch.may_replace("a") and batch.may_replace("b")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs on Windows")
def test_pipes_in_place_of_notes_are_not_waited_for(tmp_path: Path) -> None:
    note = note_of(tmp_path)
    os.mkfifo(tmp_path / ".sepvae-0.unfinished")
    note.unlink()
    with Unfinished(tmp_path, COMMAND) as batch:
        batch.begin("a")
    note.unlink()
    os.mkfifo(note)
    with (
        Unfinished(tmp_path, COMMAND) as batch,
        pytest.raises(OutputError, match="it is a pipe or a device: remove it"),
    ):
        batch.begin("a")


def test_a_shared_item_is_taken_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**COMMAND, "verb": "enhance"}
    with Unfinished(tmp_path, COMMAND) as batch:
        for item in "abc":
            batch.begin(item)
            batch.finish(item, [], {"outputs": {}})
    (note,) = tmp_path.iterdir()
    note.write_bytes(note.read_bytes() + b'{"item": "torn')
    looks = list[Path]()

    def notes(folder: Path) -> Iterable[Path]:
        looks.append(folder)
        return [*folder.glob(".sepvae-*.unfinished")]

    monkeypatch.setattr(unfinished, "_notes", notes)
    with Unfinished(tmp_path, other) as batch:
        batch.begin("a")
        batch.begin("b")
        batch.clear()
    assert looks == [tmp_path]
    with Unfinished(tmp_path, COMMAND) as batch:
        assert batch.n_done == 1 and batch.kept("c", []) and not batch.may_replace("a") and not batch.may_replace("b")
        # Begun again, it is this command's again.
        batch.begin("a")
    with Unfinished(tmp_path, COMMAND) as batch:
        assert batch.may_replace("a")


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_a_note_without_items_goes(tmp_path: Path) -> None:
    with Unfinished(tmp_path, COMMAND) as batch:
        batch.begin("a")
    with Unfinished(tmp_path, {**COMMAND, "verb": "enhance"}) as batch:
        batch.begin("a")
        batch.clear()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_listed_or_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="permission denied"):
        patch.setattr(unfinished.os, "listdir", refused)
        with Unfinished(tmp_path, COMMAND) as batch:
            batch.begin("a")
    with Unfinished(tmp_path, COMMAND) as batch, pytest.raises(OutputError, match="permission denied"):
        batch.begin("a")
        monkeypatch.setattr(Path, "unlink", refused)
        batch.clear()


def test_folders_that_are_not_written_into_are_not_looked_through(
    tmp_path: Path,
) -> None:
    note_of(tmp_path)
    left = f".sepvae-{'0' * 32}.part"
    for place in (tmp_path, tmp_path / "place", tmp_path / "place/below", tmp_path / "other"):
        place.mkdir(exist_ok=True)
        (place / left).write_text("half")
        os.utime(place / left, (0, 0))
    with Unfinished(tmp_path, COMMAND, [tmp_path / "place"]):
        pass
    assert sorted(path.parent.name for path in tmp_path.rglob(left)) == ["below", "other"]

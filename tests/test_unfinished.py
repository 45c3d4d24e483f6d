"""What a stopped command had done: kept by the same command alone, and only where nobody touched it since."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import unfinished
from sepvae.errors import OutputError
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
        batch.finish("a", [source], [output], {"outputs": {"x": str(output)}})
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


@given(cut=st.integers(0, 400), junk=st.binary(max_size=20))
def test_a_torn_or_damaged_note_is_of_nobody(cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with Unfinished(folder, COMMAND) as batch:
        batch.begin("a")
        batch.finish("a", [], [], {"is": "done"})
    (note,) = folder.iterdir()
    note.write_bytes(note.read_bytes()[:cut] + junk)
    with Unfinished(folder, COMMAND) as batch:
        assert batch.kept("a", []) in (None, {"is": "done"})
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

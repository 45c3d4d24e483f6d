"""Parts: locked while they are written, gone when their process is, and never taken from somebody who still writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sepvae import parts
from sepvae.files import atomic_file, atomic_folder, write_text

locks = pytest.mark.skipif(parts.fcntl is None, reason="files cannot be locked there")

WRITER = """
import sys, time
from sepvae.files import atomic_file, atomic_folder
with atomic_file(sys.argv[1] + "/file") as file, atomic_folder(sys.argv[1] + "/folder") as folder:
    file.write_text("half"); (folder / "deep").mkdir(); (folder / "deep" / "x").write_text("half")
    print("ready", flush=True); time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that is writing a file and a folder into `tmp_path`."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@locks
def test_what_a_killed_process_left_goes_with_the_next_that_writes_there(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    assert len(names(tmp_path)) == 2
    parts.remove_left(tmp_path)
    # It is alive, and so is its work.
    assert len(names(tmp_path)) == 2
    other.kill()
    other.communicate(timeout=60)
    assert all(name.startswith(".sepvae-") and name.endswith(".part") for name in names(tmp_path))
    write_text(tmp_path / "mine", "whole")
    assert names(tmp_path) == ["mine"]


@locks
def test_folders_below_are_looked_through_when_asked(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.communicate(timeout=60)
    parts.remove_left(tmp_path.parent)
    assert len(names(tmp_path)) == 2
    parts.remove_left(tmp_path.parent, below=True)
    assert names(tmp_path) == []


def test_only_what_is_called_like_a_part_is_one(tmp_path: Path) -> None:
    kept = [".sepvae-1.part", f".{'a' * 32}.part", f"sepvae-{'a' * 32}.part", f".sepvae-{'a' * 32}.part.wav"]
    for name in kept:
        (tmp_path / name).write_text("somebody's")
    parts.remove_left(tmp_path, below=True)
    assert names(tmp_path) == sorted(kept)


def test_a_part_of_another_machine_has_to_lie_still(tmp_path: Path) -> None:
    """Its lock need not be seen here: a part that was written lately may be at work."""
    path = tmp_path / f".sepvae-{'0' * 32}.part"
    path.write_text("half")
    parts.remove_left(tmp_path)
    assert path.exists()
    os.utime(path, (time.time() - 4000, time.time() - 4000))
    parts.remove_left(tmp_path)
    assert not path.exists()


def test_without_locks_parts_have_to_lie_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "fcntl", None)
    with atomic_file(tmp_path / "file") as file, atomic_folder(tmp_path / "folder") as folder:
        (folder / "x").write_text("half")
        os.utime(folder, (0, 0))
        parts.remove_left(tmp_path)
        assert file.exists() and folder.exists()
        os.utime(file, (0, 0))
        parts.remove_left(tmp_path)
        assert not file.exists() and folder.exists()
        file.write_text("whole")
    assert names(tmp_path) == ["file", "folder"]


@locks
def test_a_part_that_is_taken_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = parts.lock, list[int]()

    def late(handle: int) -> bool | None:
        if not taken:
            taken.append(handle)
            next(tmp_path.glob(".sepvae-*.part")).unlink()
        return lock(handle)

    monkeypatch.setattr(parts, "lock", late)
    write_text(tmp_path / "file", "whole")
    assert (tmp_path / "file").read_text() == "whole" and names(tmp_path) == ["file"]


@locks
def test_what_cannot_be_removed_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f".sepvae-{parts._machine()}{'0' * 24}.part"
    path.write_text("half")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        parts.remove_left(tmp_path)
    parts.remove_left(tmp_path / "none")
    assert names(tmp_path) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="a process is asked to end by a signal")
@pytest.mark.usefixtures("heard_signals")
def test_who_is_interrupted_while_cleaning_up_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove, calls = parts._remove, list[Path]()

    def interrupted(part: Path) -> None:
        calls.append(part)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        remove(part)

    monkeypatch.setattr(parts, "_remove", interrupted)
    with pytest.raises(KeyboardInterrupt), parts.claimed(tmp_path, "folder") as part:
        (part / "x").write_text("half")
    assert names(tmp_path) == []


@locks
def test_pipes_that_are_called_like_parts_are_left_alone(tmp_path: Path) -> None:
    """Opened, a pipe would be waited for."""
    names_of_parts = [f".sepvae-{machine}{'0' * 24}.part" for machine in (parts._machine(), "0" * 8)]
    for name in names_of_parts:
        os.mkfifo(tmp_path / name)
    write_text(tmp_path / "mine", "whole")
    assert names(tmp_path) == sorted([*names_of_parts, "mine"])

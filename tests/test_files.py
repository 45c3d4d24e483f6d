"""Atomic writes, torn journals, hashes: what a reader finds after a crash, and what a user is told."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import files
from sepvae.errors import InputError, OutputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scores.json"
    with files.atomic_file(target) as part:
        part.write_text("whole")
        assert not target.exists() and part.parent == target.parent
    assert target.read_text() == "whole" and names(target.parent) == ["scores.json"]
    with pytest.raises(RuntimeError, match="stop"), files.atomic_file(target) as part:
        part.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "whole" and names(target.parent) == ["scores.json"]


def test_a_folder_replaces_the_older_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("a", "b"):
        with files.atomic_folder(target) as part:
            (part / "sub").mkdir()
            (part / "sub" / name).write_text(name)
    assert names(target / "sub") == ["b"] and names(tmp_path) == ["model"]
    with pytest.raises(RuntimeError), files.atomic_folder(target) as part:
        (part / "c").write_text("half")
        raise RuntimeError
    assert names(target) == ["sub"] and names(tmp_path) == ["model"]


def test_folders_are_swapped_in_three_steps_where_one_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    target = tmp_path / "model"
    for name in ("a", "b"):
        with files.atomic_folder(target) as part:
            (part / name).write_text(name)
        assert names(target) == [name] and names(tmp_path) == ["model"]


def test_a_failed_swap_of_folders_keeps_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    with files.atomic_folder(target) as part:
        (part / "weights").write_text("good")
    replace, calls = os.replace, []

    def failing(source: Path, destination: Path) -> None:
        calls.append(destination)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, destination)

    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OutputError, match=r"model: the disk is full"), files.atomic_folder(target) as part:
        (part / "weights").write_text("new")
    assert (target / "weights").read_text() == "good" and names(tmp_path) == ["model"]


@pytest.mark.skipif(sys.platform != "linux", reason="swaps names in one step on Linux alone")
def test_a_folder_is_whole_at_every_moment_in_which_its_writer_may_be_killed(tmp_path: Path) -> None:
    code = (
        "import itertools, os, sys; from sepvae.files import atomic_folder\n"
        "os.fsync = lambda handle: None  # quicker: more swaps a second\n"
        "for n in itertools.count():\n"
        "    with atomic_folder(sys.argv[1]) as folder:\n"
        "        (folder / 'a').write_text(str(n)); (folder / 'b').write_text(str(n))\n"
        "    print(n, flush=True)\n"
    )
    target = tmp_path / "model"
    for swaps in range(1, 9):
        with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(20 * swaps):
                assert process.stdout.readline()
            process.kill()
        assert (target / "a").read_text() == (target / "b").read_text() != ""


@posix
def test_links_are_followed_to_where_the_result_belongs(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "disk" / "model")
    (tmp_path / "scores").symlink_to(tmp_path / "disk" / "new" / "scores")
    for text in ("a", "b"):
        with files.atomic_folder(tmp_path / "model") as part:
            (part / "x").write_text(text)
        files.write_text(tmp_path / "scores", text)
        assert (tmp_path / "disk" / "model" / "x").read_text() == text
        assert (tmp_path / "disk" / "new" / "scores").read_text() == text
    assert (tmp_path / "model").is_symlink() and (tmp_path / "scores").is_symlink()
    assert names(tmp_path) == ["disk", "model", "scores"] and names(tmp_path / "disk") == ["model", "new"]


@posix
def test_pipes_and_devices_are_not_replaced_by_files(tmp_path: Path) -> None:
    """A superuser who writes to /dev/null must not make a file of it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for name in ("pipe", "null"):
        with pytest.raises(OutputError, match=rf"cannot write .*{name}: it is a pipe or a device: choose another"):
            files.write_text(tmp_path / name, "")
        with pytest.raises(OutputError, match=rf"cannot write the folder .*{name}: it is a pipe or a device"):
            files.atomic_folder(tmp_path / name).__enter__()
    assert not Path(os.devnull).is_file()


def test_an_error_about_another_file_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="input"), files.atomic_file(tmp_path / "output") as part:
        part.write_text((tmp_path / "input").read_text())
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = (
        "import sys, time; from sepvae.files import atomic_file, atomic_folder\n"
        "with atomic_file(sys.argv[1]) as file, atomic_folder(sys.argv[2]) as folder:\n"
        "    file.write_text('half'); (folder / 'x').write_text('half')\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file"), str(tmp_path / "folder")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert not (tmp_path / "file").exists() and not (tmp_path / "folder").exists()
    assert all(name.startswith(".") and name.endswith(".part") for name in names(tmp_path))


def test_outputs_that_cannot_be_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot write into .*file: it is a file, not a folder"):
        files.write_text(tmp_path / "file" / "x", "")
    with pytest.raises(OutputError, match=r"cannot write .*deeper: a part of the path is a file, not a folder"):
        files.write_text(tmp_path / "file" / "deeper" / "x", "")
    with pytest.raises(OutputError, match=r"cannot write .*folder: it is a folder: choose another output"):
        files.write_text(tmp_path / "folder", "")
    with (
        pytest.raises(OutputError, match=r"cannot write the folder .*file: it is a file"),
        files.atomic_folder(tmp_path / "file"),
    ):
        pass
    with pytest.raises(OutputError, match=r"cannot write 'a\\x00b': a name holds no NUL: choose another output"):
        files.write_text("a\0b", "")
    for write in (lambda path: files.write_text(path, ""), lambda path: files.atomic_folder(path).__enter__()):
        with pytest.raises(OutputError, match=r"the name is too long for this file system: choose a shorter one"):
            write(tmp_path / ("x" * 300))
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EACCES, "permission denied: choose a folder you may write to"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_the_reason_and_the_next_step_are_named(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(OutputError) as caught, files.atomic_file(tmp_path / "x"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'x'}: {words}")


@pytest.mark.skipif(os.name == "nt", reason="names are counted otherwise there")
def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    files.write_text(tmp_path / ("x" * 255), "fits")
    assert (tmp_path / ("x" * 255)).read_text() == "fits"


@given(value=JSON)
def test_json_survives(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


@given(records=st.lists(JSON, max_size=4))
def test_jsonl_survives(records: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "records.jsonl"
    files.write_jsonl(path, records)
    assert list(files.read_jsonl(path)) == records


@posix
def test_names_that_are_no_text_survive_in_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    files.write_json(tmp_path / "a.json", {"path": name})
    files.write_jsonl(tmp_path / "a.jsonl", [{"path": name}])
    assert files.read_json(tmp_path / "a.json") == next(files.read_jsonl(tmp_path / "a.jsonl")) == {"path": name}
    assert files.hash_json(name) == files.hash_json(name) != files.hash_json("caf.wav")


def test_a_torn_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes('{"a": 1}\n{"b": "đ'.encode()[:-1])
    with pytest.raises(InputError, match=r"journal.jsonl: not UTF-8 text \(unexpected end of data at byte 16\)"):
        list(files.read_jsonl(path))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(InputError, match=r"rows.jsonl, line 3: not valid JSON"):
        list(files.read_jsonl(path))
    path.write_text('{"a": 1}')
    assert list(files.read_jsonl(path)) == [{"a": 1}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_stays_json(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", {"loss": value})
    assert names(tmp_path) == []
    (tmp_path / "x.json").write_text(f"[{value}]".replace("nan", "NaN").replace("inf", "Infinity"))
    with pytest.raises(InputError, match=r"x.json: not valid JSON \(-?(NaN|Infinity) is not a JSON number\)"):
        files.read_json(tmp_path / "x.json")


def test_deep_json_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match=r"deep.json: not valid JSON"):
        files.read_json(tmp_path / "deep.json")


def test_text_of_any_editor_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for data in (b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n"):
        path.write_bytes(data)
        assert files.read_text(path) == "a\nb\n"
    files.write_text(path, "a\nb\n")
    assert path.read_bytes() == b"a\nb\n"


def test_texts_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: no such file"):
        files.read_text(tmp_path / "none")
    with pytest.raises(InputError, match=r": is a folder, expected a text file"):
        files.read_text(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read \(embedded null byte\)"):
        files.read_text("a\0b")
    with pytest.raises(InputError, match=r"cannot be read \(embedded null byte\)"):
        files.hash_file("a\0b")
    with pytest.raises(InputError, match=r"none: cannot be read \(No such file or directory\)"):
        files.hash_file(tmp_path / "none")
    (tmp_path / "latin1").write_bytes("Käthe".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin1: not UTF-8 text \(invalid continuation byte at byte 1\)"):
        files.read_text(tmp_path / "latin1")


def test_hashes_are_those_of_sha256sum(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "abc", b"abc")
    assert files.hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.hash_json({"b": 1, "a": [1.5, None]}) == files.hash_json({"a": [1.5, None], "b": 1})
    assert files.hash_json({"a": 1}) != files.hash_json({"a": 1.5})

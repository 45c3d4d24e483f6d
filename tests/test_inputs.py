"""Going through folders: every visible file once, under the name that the user sees; the rest is counted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.errors import InputError, OutputError
from sepvae.inputs import PassedOver, Tree, distinct, made_files
from sepvae.outputs import LIST_NAME, OutputList, listed_outputs
from sepvae.reading import check_ordinary

from .places import needs_links, needs_permissions, only_linux, place_for_all, touch, without_rights


def test_hidden_names_are_passed_over_and_counted(tmp_path: Path) -> None:
    touch(tmp_path, "b/a.wav", "a.wav", "._a.wav", ".git/x.wav", "b/.DS_Store")
    tree = Tree(tmp_path)
    assert tree.files() == ["a.wav", "b/a.wav"]
    hidden = [str(tmp_path / name) for name in ("._a.wav", ".git", "b/.DS_Store")]
    assert tree.passed_over == PassedOver(hidden=hidden)
    assert "hidden: 3" in tree.passed_over.describe()
    assert PassedOver().describe() == ""


@needs_links
def test_links_are_followed_under_their_own_names(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "elsewhere/d.wav", "elsewhere/deep/e.wav")
    (tmp_path / "in/day2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/b.wav").symlink_to("a.wav")
    (tmp_path / "in/lost.wav").symlink_to("nowhere")
    (tmp_path / "in/own.wav").symlink_to("own.wav")
    files = Tree(tmp_path / "in").files()
    assert files == ["a.wav", "b.wav", "day2/d.wav", "day2/deep/e.wav", "lost.wav", "own.wav"]


@needs_links
def test_circles_end_and_a_folder_is_known_by_its_own_place(tmp_path: Path) -> None:
    touch(tmp_path, "z/a.wav", "z/y/b.wav")
    for link, target in (("a", "z"), ("z/up", ".."), ("z/y/self", "."), ("again", "z/y"), ("twice", "z/y")):
        (tmp_path / link).symlink_to((tmp_path / link).parent / target)
    tree = Tree(tmp_path)
    assert tree.files() == ["z/a.wav", "z/y/b.wav"]
    assert len(tree.passed_over.twice) == 5


@needs_links
def test_links_that_double_at_each_level_do_not(tmp_path: Path) -> None:
    for level in range(30):
        (tmp_path / f"{level}").mkdir()
    touch(tmp_path, "29/a.wav")
    for level in range(29):
        (tmp_path / f"{level}/x").symlink_to(tmp_path / f"{level + 1}")
        (tmp_path / f"{level}/y").symlink_to(tmp_path / f"{level + 1}")
    assert Tree(tmp_path / "0").files() == ["/".join(["x"] * 29) + "/a.wav"]


_PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6)
_NAMES = st.lists(_PARTS.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4)


@only_linux
@given(st.lists(_NAMES, max_size=12), st.lists(st.tuples(_NAMES, st.integers(0, 11)), max_size=4))
def test_every_visible_file_is_found_once(paths: list[list[str]], links: list[tuple[list[str], int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, folders = Path(name), []
        for parts in paths:
            path = root.joinpath(*parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(exist_ok=False)
            except OSError:  # a name that is there as the other kind
                continue
            folders.append(path.parent)
        for parts, number in links:
            path = root.joinpath(*parts)
            if folders and path.parent.is_dir() and not os.path.lexists(path):
                path.symlink_to(folders[number % len(folders)])
        tree = Tree(root)
        found = tree.files()
        real = [os.path.realpath(root / path) for path in found]
        assert len(set(found)) == len(set(real)) == len(found)
        own = [path for path in root.rglob("*") if not path.is_dir()]
        visible = {str(p) for p in own if not any(part.startswith(".") for part in p.relative_to(root).parts)}
        assert set(real) >= {os.path.realpath(path) for path in visible}
        assert not tree.passed_over.unread


@only_linux
@given(st.binary(min_size=1, max_size=30).filter(lambda name: not set(name) & {0, 47} and name[0] != 46))
def test_any_bytes_are_a_name(name: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.fsencode(folder) + b"/" + name
        with open(path, "wb"):
            pass
        assert [os.fsencode(one) for one in Tree(Path(folder)).files()] == [name]
        out = OutputList(Path(folder))
        out.add([Path(os.fsdecode(path))])
        assert listed_outputs(Path(folder)) == {os.fsdecode(name)}
        (Path(folder) / LIST_NAME).read_bytes().decode("ascii")


@needs_permissions
def test_a_folder_that_cannot_be_listed_is_an_error_that_names_it() -> None:
    with place_for_all() as root:
        touch(root, "anna/a.wav", "ben/b.wav")
        with without_rights(root / "ben"):
            tree = Tree(root)
            assert tree.files() == ["anna/a.wav"]
        ((path, message),) = tree.passed_over.failures()
        assert path == str(root / "ben")
        assert "cannot be listed: permission denied: give yourself the right to read it" in message


def test_what_was_written_is_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "in/sep/a/s1.wav", "in/sep/mine.wav")
    OutputList(tmp_path / "in/sep").add([tmp_path / "in/sep/a/s1.wav"])
    tree = Tree(tmp_path / "in")
    assert tree.files() == ["a.wav", "sep/mine.wav"]
    assert tree.passed_over.outputs == [str(tmp_path / "in/sep/a/s1.wav")]


def test_a_folder_of_nothing_but_outputs_is_meant_by_who_gives_it(tmp_path: Path) -> None:
    touch(tmp_path, "sep/a/s1.wav", "sep/notes.txt")
    OutputList(tmp_path / "sep").add([tmp_path / "sep/a/s1.wav"])
    assert Tree(tmp_path / "sep").files() == ["a/s1.wav", "notes.txt"]
    assert Tree(tmp_path / "sep", out=tmp_path / "sep").files() == ["notes.txt"]
    assert Tree(tmp_path / "sep/a").files() == ["s1.wav"]
    touch(tmp_path, "sep/mine.wav")
    assert Tree(tmp_path / "sep").files() == ["mine.wav", "notes.txt"]


@needs_links
def test_outputs_are_known_by_whichever_link_they_are_reached(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "far/a/s1.wav")
    (tmp_path / "in/sep").symlink_to(tmp_path / "far")
    (tmp_path / "in/deep").symlink_to(tmp_path / "far/a")
    OutputList(tmp_path / "in/sep").add([tmp_path / "in/sep/a/s1.wav"])
    assert made_files(tmp_path / "in/sep") == {os.path.realpath(tmp_path / "far/a/s1.wav")}
    assert Tree(tmp_path / "in", out=tmp_path / "in/sep").files() == ["a.wav"]


@pytest.mark.parametrize("rest", [b"", b'"b', b'"b/s1.wav"'])
def test_a_list_torn_by_a_kill_goes_on_as_if_it_were_not(tmp_path: Path, rest: bytes) -> None:
    paths = [tmp_path / "a/s1.wav", tmp_path / "b/s1.wav", tmp_path / "c/s1.wav"]
    OutputList(tmp_path).add(paths)
    lines = (tmp_path / LIST_NAME).read_bytes().splitlines(keepends=True)
    (tmp_path / LIST_NAME).write_bytes(lines[0] + rest)
    # A path that lacks its line feed alone is whole.
    assert listed_outputs(tmp_path) == {"a/s1.wav", *(["b/s1.wav"] if rest + b"\n" == lines[1] else [])}
    OutputList(tmp_path).add(paths)
    OutputList(tmp_path).add(paths)
    found = (tmp_path / LIST_NAME).read_bytes().splitlines(keepends=True)
    assert [line for line in found if line != rest + b"\n" or line in lines] == lines


def test_who_adds_to_a_list_cuts_off_nothing(tmp_path: Path) -> None:
    """Two runs write into one folder, and the first is at the middle of a line."""
    first, second = OutputList(tmp_path), OutputList(tmp_path)
    first.add([tmp_path / "a.wav"])
    (tmp_path / LIST_NAME).write_bytes((tmp_path / LIST_NAME).read_bytes() + b'"tor')
    size = (tmp_path / LIST_NAME).stat().st_size
    second.add([tmp_path / "b.wav"])
    assert (tmp_path / LIST_NAME).read_bytes()[:size] == b'"a.wav"\n"tor'
    assert listed_outputs(tmp_path) == {"a.wav", "b.wav"}


@pytest.mark.parametrize("content", [b"\xff\n", b"[]\n", b"7\n", b"[" * 100_000 + b"\n", b"\0\n"])
def test_lines_of_a_list_that_are_none_count_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LIST_NAME).write_bytes(content + b'"a.wav"\n')
    assert listed_outputs(tmp_path) == {"a.wav"}


@needs_links
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LIST_NAME)
    with pytest.raises(InputError, match="is not an ordinary file"):
        check_ordinary(tmp_path / LIST_NAME)
    assert listed_outputs(tmp_path) == frozenset()
    with pytest.raises(InputError, match="is not an ordinary file"):
        OutputList(tmp_path).add([tmp_path / "a.wav"])


def test_a_list_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / LIST_NAME).mkdir()
    with pytest.raises(OutputError, match="the path is a folder"):
        OutputList(tmp_path).add([tmp_path / "a.wav"])


def test_a_file_named_twice_is_taken_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav")
    over = PassedOver()
    twice = [tmp_path / "a/x.wav", tmp_path / "a/../a/x.wav", tmp_path / "a/y.wav"]
    assert distinct(twice, over) == [twice[0], twice[2]]
    assert over.twice == [str(twice[1])]

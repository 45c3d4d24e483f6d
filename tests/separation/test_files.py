"""Where the outputs of files go: by names that the user sees, never two into one place, never outside."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.separation.files import output_folders

NAMES = {
    ("a.wav", "b.wav"): ["a", "b"],
    ("a.wav", "a.mp3"): ["a.wav", "a.mp3"],
    ("A/a.wav", "B/a.wav", "B/b.wav"): ["A/a", "B/a", "b"],
    ("A/a.wav", "A/a.flac", "B/a.wav"): ["A/a.wav", "A/a.flac", "B/a"],
    # On macOS and Windows these would be one folder.
    ("A/a.wav", "B/A.wav"): ["A/a", "B/A"],
    ("A/e\u0301.wav", "B/\u00e9.wav"): ["A/e\u0301", "B/\u00e9"],
    ("A/a.wav", "A/a.flac", "B/a.wav.mp3"): ["A/a.wav", "A/a.flac", "a.wav"],
    ("a.wav", "a.flac", "b/a.wav.mp3"): ["a.wav", "a.flac", "b/a.wav"],
    ("...wav", "..wav", ".wav", "x"): ["...wav", "..wav", ".wav", "x"],
    ("a.wav", "a.wav"): ["a", "a"],
}


@pytest.mark.parametrize(("paths", "expected"), NAMES.items())
def test_names(tmp_path: Path, paths: tuple[str, ...], expected: list[str]) -> None:
    found = output_folders([tmp_path / path for path in paths], Path("out"))
    assert [folder.as_posix() for folder in found] == [f"out/{name}" for name in expected]


def test_a_path_that_goes_up_is_named_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "far/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/deep")
    found = output_folders([tmp_path / "link/../a.wav", tmp_path / "a.wav"], Path("out"))
    assert [folder.as_posix() for folder in found] == ["out/far/a", "out/a"]


PARTS = st.text("aAbé.", min_size=1, max_size=4).filter(lambda part: part not in (".", ".."))
PATHS = st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6, unique=True)


@given(PATHS)
def test_different_files_have_different_folders_inside_the_folder(paths: list[str]) -> None:
    found = output_folders([Path("/in", path) for path in paths], Path("/out"))
    assert len(set(found)) == len(paths)
    assert all(folder.relative_to("/out").parts and ".." not in folder.parts for folder in found)
    # But for what differs in letter case alone, in one folder.
    plain = {unicodedata.normalize("NFC", path).casefold() for path in paths}
    if len(plain) == len(paths):
        assert len({unicodedata.normalize("NFC", str(folder)).casefold() for folder in found}) == len(paths)
    assert output_folders([Path("/in", path) for path in reversed(paths)], Path("/out")) == found[::-1]

"""Journals survive torn lines, and long files are read line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.augmented.journal import Journal, Lines, parse_line, read_line, scan_lines
from sepvae.errors import InputError, OutputError
from sepvae.files import to_json

RECORDS = [{"number": number, "text": "ä" * number} for number in range(7)]


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "work" / "journal.jsonl"
    for record in RECORDS:
        with Journal(path) as journal:
            journal.append(to_json(record))
    places = [place for place, _ in scan_lines(path)]
    assert [read_line(path, place) for place in places] == RECORDS


@given(cut=st.integers(0, 200))
def test_a_torn_last_line_is_cut_off_wherever_it_is_torn(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    with Journal(path) as journal:
        for record in RECORDS:
            journal.append(to_json(record))
    data = path.read_bytes()
    path.write_bytes(data[: max(len(data) - cut, 0)])
    whole = path.read_bytes().count(b"\n")
    with Journal(path) as journal:
        journal.append('{"number": "new"}')
    assert [parse_line(line, path) for _, line in scan_lines(path)] == [*RECORDS[:whole], {"number": "new"}]


def test_lines_are_a_sequence(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    with Journal(path) as journal:
        for record in RECORDS:
            journal.append(to_json(record))
    lines: Lines[dict[str, object]] = Lines(path, dict)
    assert len(lines) == 7
    assert (lines[3], lines[-1], lines[2:4], list(lines)) == (RECORDS[3], RECORDS[6], RECORDS[2:4], RECORDS)
    with pytest.raises(IndexError):
        _ = lines[7]
    lines.close()


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("{not json\n")
    with pytest.raises(
        InputError, match=r"journal.jsonl: damaged, .*a line: not valid JSON.*: pass --overwrite to start again"
    ):
        read_line(path, 0)
    with pytest.raises(InputError, match="cannot be read"):
        list(scan_lines(tmp_path / "none"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="the path is a folder"):
        Journal(tmp_path / "folder")

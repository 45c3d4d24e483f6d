"""Score rows keep their promise about NaN, and their files return them value for value."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.evaluation.rows import ScoreRow, read_rows, write_rows

PRINTABLE = st.one_of(st.characters(exclude_categories=("C", "Z")), st.sampled_from(" \",;'"))
NAMES = st.text(PRINTABLE, min_size=1, max_size=8)
OUTCOMES = st.one_of(st.floats(allow_nan=False, allow_infinity=False), NAMES)


def make_row(system: str, item: str, source: str, outcomes: dict[str, float | str]) -> ScoreRow:
    values = {name: math.nan if isinstance(outcome, str) else outcome for name, outcome in outcomes.items()}
    reasons = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    return ScoreRow(system, item, source, values, reasons)


ROWS = st.lists(st.builds(make_row, NAMES, NAMES, NAMES, st.dictionaries(NAMES, OUTCOMES, max_size=4)), max_size=5)


@pytest.mark.parametrize("ending", ["csv", "json"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=ROWS)
def test_files_return_what_was_written(tmp_path: Path, ending: str, rows: list[ScoreRow]) -> None:
    path = tmp_path / f"scores.{ending}"
    write_rows(path, rows)
    # NaN is not equal to itself: compare what it prints.
    assert [repr_of(row) for row in read_rows(path)] == [repr_of(row) for row in rows]


def repr_of(row: ScoreRow) -> str:
    return repr((row.system, row.item, row.source, sorted(row.values.items()), sorted(row.reasons.items())))


def test_the_csv_table_reads_as_expected(tmp_path: Path) -> None:
    rows = [
        make_row("vae", 'a "b", c', "male", {"sdr": 1.5, "stoi": "too_short"}),
        make_row("nmf", "x", "y", {"sdr": -2.0}),
    ]
    write_rows(tmp_path / "scores.csv", rows)
    assert (tmp_path / "scores.csv").read_text() == (
        'system,item,source,sdr,sdr_reason,stoi,stoi_reason\nvae,"a ""b"", c",male,1.5,,,too_short\nnmf,x,y,-2.0,,,\n'
    )


def test_json_has_null_for_nan(tmp_path: Path) -> None:
    write_rows(tmp_path / "scores.json", [make_row("vae", "i", "s", {"stoi": "too_short"})])
    (record,) = json.loads((tmp_path / "scores.json").read_text())["rows"]
    assert record["values"] == {"stoi": None}
    assert record["reasons"] == {"stoi": "too_short"}


@pytest.mark.parametrize(
    ("values", "reasons", "message"),
    [
        ({"sdr": math.nan}, {}, "sdr is nan: a value needs no reason, and NaN needs one"),
        ({"sdr": 1.0}, {"sdr": "too_short"}, "sdr is 1.0: a value needs no reason"),
        ({"sdr": math.inf}, {}, "sdr is inf: give NaN and a reason for what is not a score"),
        ({}, {"sdr": "too_short"}, "a reason without a value for sdr"),
        ({"sdr": math.nan}, {"sdr": ""}, "'' is not a name: it is empty"),
    ],
)
def test_nan_and_reasons_agree(values: dict[str, float], reasons: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScoreRow("vae", "item", "male", values, reasons)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0"])
def test_names_are_printable(name: str) -> None:
    with pytest.raises(InputError, match="is not a name: it is empty or has control characters"):
        ScoreRow("vae", name, "male", {}, {})


HEADER = "system,item,source,sdr,sdr_reason"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a table of scores: the first line must be system,item,source"),
        ("system,item,sdr\n", "not a table of scores"),
        ("system,item,source,sdr,sir_reason\n", "not a table of scores"),
        (f"{HEADER}\nvae,1,male,2.0\n", "line 2: 4 cells, the header has 5"),
        (f"{HEADER}\nvae,1,male,two,\n", "line 2: not a row of scores .could not convert string to float: 'two'"),
        (f"{HEADER}\nvae,1,male,nan,\n", "sdr is nan"),
        (f"{HEADER}\nvae,1,male,inf,\n", "sdr is inf"),
        (f'{HEADER}\nvae,1,"male,1,\n', "not a row of scores .unexpected end of data"),
    ],
)
def test_broken_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_rows(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a table of scores of version 1"),
        ({"version": 2, "rows": []}, "not a table of scores of version 1"),
        ({"version": 1, "rows": [3]}, "row 1: not a row of scores"),
        ({"version": 1, "rows": [{"system": "a"}]}, "row 1: not a row of scores .'values'"),
        (
            {"version": 1, "rows": [{"system": "a", "item": "b", "source": "c", "values": {"x": "1"}, "reasons": {}}]},
            "row 1: not a row of scores",
        ),
        (
            {"version": 1, "rows": [{"system": 1, "item": "b", "source": "c", "values": {}, "reasons": {}}]},
            "row 1: not a row of scores",
        ),
        (
            {"version": 1, "rows": [{"system": "a", "item": "b", "source": "c", "values": {"x": None}, "reasons": {}}]},
            "row 1: not a row of scores .*x is nan",
        ),
    ],
)
def test_broken_json_is_named(tmp_path: Path, data: object, message: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        read_rows(path)


def test_paths_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scores are files in .csv or .json, received '.txt'"):
        write_rows(tmp_path / "scores.txt", [])
    with pytest.raises(ConfigError, match=r"received ''"):
        read_rows(tmp_path / "scores")
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "scores.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        write_rows(tmp_path / "folder.csv", [])

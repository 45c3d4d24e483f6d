"""Score rows, one per system, item and source, and their files: CSV for people and JSON for programs."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae.errors import ConfigError, InputError
from sepvae.files import make_folder, read_json, read_text, write_json, write_text

_KEYS = ("system", "item", "source")
# A column of its own where estimates have names, as those of a folder.
_ESTIMATE = "estimate"
_REASON = "_reason"
_VERSION = 1


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one system's estimate of one source of one item.

    A measure without a value is NaN in `values` and named in `reasons`; no other is. Values are finite or NaN.
    `estimate` is the name of the estimate that was scored, where it has one: under the best permutation it may be
    another than the source's. It is empty where there is none.

    Raises:
        InputError: NaN and reasons disagree, a value is infinite, or a name is empty or has control characters.
    """

    system: str
    item: str
    source: str
    values: dict[str, float]
    reasons: dict[str, str]
    estimate: str = ""

    def __post_init__(self) -> None:
        where = f"scores of {self.system!r}, {self.item!r}, {self.source!r}"
        names = (self.system, self.item, self.source, *self.values, *self.reasons.values())
        for name in (*names, *([self.estimate] if self.estimate else [])):
            if not name or not name.isprintable():
                raise InputError(f"{where}: {name!r} is not a name: it is empty or has control characters")
        for measure, value in self.values.items():
            if math.isinf(value):
                raise InputError(f"{where}: {measure} is {value}: give NaN and a reason for what is not a score")
            if math.isnan(value) != (measure in self.reasons):
                raise InputError(f"{where}: {measure} is {value}: a value needs no reason, and NaN needs one")
        if surplus := self.reasons.keys() - self.values.keys():
            raise InputError(f"{where}: a reason without a value for {', '.join(sorted(surplus))}")


def check_table(path: str | os.PathLike[str]) -> None:
    """Raise ConfigError when rows cannot be written under a name, OutputError when its folder cannot be made."""
    _ending(path)
    make_folder(Path(path).parent)


def write_rows(path: str | os.PathLike[str], rows: Iterable[ScoreRow]) -> None:
    """Write rows atomically as .csv (a column per measure and per reason) or .json (NaN as null).

    Raises:
        ConfigError: the name has another ending.
        OutputError: the file cannot be written.
    """
    rows = list(rows)
    if _ending(path) == ".json":
        write_json(path, {"version": _VERSION, "rows": [to_record(row) for row in rows]})
    else:
        write_text(path, _to_csv(rows))


def read_rows(path: str | os.PathLike[str]) -> list[ScoreRow]:
    """Read what `write_rows` wrote, value for value.

    Raises:
        ConfigError: the name ends in neither .csv nor .json.
        InputError: the file is missing or is not a table of scores; the message names the row.
    """
    return _from_json(path, read_json(path)) if _ending(path) == ".json" else _from_csv(path, read_text(path))


def _ending(path: str | os.PathLike[str]) -> str:
    ending = Path(path).suffix.lower()
    if ending not in (".csv", ".json"):
        raise ConfigError(f"{os.fspath(path)}: scores are files in .csv or .json, received {ending!r}")
    return ending


def to_record(row: ScoreRow) -> dict[str, Any]:
    """Return a row as JSON, NaN as null."""
    values = {measure: None if math.isnan(value) else value for measure, value in row.values.items()}
    record = asdict(row) | {"values": values}
    return record if row.estimate else {key: value for key, value in record.items() if key != _ESTIMATE}


def from_record(record: Mapping[str, Any]) -> ScoreRow:
    """Return the row that `to_record` made JSON of.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it did not.
    """
    values = {name: math.nan if value is None else 1.0 * value for name, value in record["values"].items()}
    system, item, source = (record[key] for key in _KEYS)
    return ScoreRow(system, item, source, values, dict(record["reasons"]), record.get(_ESTIMATE, ""))


def _from_json(path: str | os.PathLike[str], data: Any) -> list[ScoreRow]:
    if not isinstance(data, dict) or data.get("version") != _VERSION or not isinstance(data.get("rows"), list):
        raise InputError(f"{path}: not a table of scores of version {_VERSION}: expected its version and rows")
    rows = []
    for number, record in enumerate(data["rows"], start=1):
        try:
            rows.append(from_record(record))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path}, row {number}: not a row of scores ({error})") from error
    return rows


def _to_csv(rows: list[ScoreRow]) -> str:
    measures = list(dict.fromkeys(measure for row in rows for measure in row.values))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = (*_KEYS, _ESTIMATE) if any(row.estimate for row in rows) else _KEYS
    writer.writerow([*keys, *(measure + suffix for measure in measures for suffix in ("", _REASON))])
    for row in rows:
        cells = [row.system, row.item, row.source, row.estimate][: len(keys)]
        for measure in measures:
            value = row.values.get(measure, math.nan)
            cells += ["" if math.isnan(value) else repr(float(value)), row.reasons.get(measure, "")]
        writer.writerow(cells)
    return text.getvalue()


def _from_csv(path: str | os.PathLike[str], text: str) -> list[ScoreRow]:
    reader = csv.reader(io.StringIO(text), strict=True)
    rows = []
    try:
        header = next(reader, [])
        keys = (*_KEYS, _ESTIMATE) if header[len(_KEYS) : len(_KEYS) + 1] == [_ESTIMATE] else _KEYS
        measures = header[len(keys) :: 2]
        if header != [*keys, *(measure + suffix for measure in measures for suffix in ("", _REASON))]:
            raise InputError(
                f"{path}: not a table of scores: the first line must be {','.join(_KEYS)} and the measures"
            )
        for cells in reader:
            if len(cells) != len(header):
                raise InputError(f"{path}, line {reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            rows.append(_from_cells(measures, cells[: len(keys)], cells[len(keys) :]))
    except InputError:
        raise
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path}, line {reader.line_num}: not a row of scores ({error})") from error
    return rows


def _from_cells(measures: list[str], names: list[str], cells: list[str]) -> ScoreRow:
    """Return the row; a measure with neither value nor reason was not asked for."""
    values, reasons = {}, {}
    for measure, value, reason in zip(measures, cells[::2], cells[1::2], strict=True):
        if value or reason:
            values[measure] = float(value) if value else math.nan
        if reason:
            reasons[measure] = reason
    system, item, source, *estimate = names
    return ScoreRow(system, item, source, values, reasons, *estimate)

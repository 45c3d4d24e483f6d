"""Scores of a folder, going on where the same command was stopped: rows are kept in its note beside the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from sepvae.errors import InputError
from sepvae.evaluation.failures import UNPROCESSED
from sepvae.evaluation.folders import ItemFiles
from sepvae.evaluation.many import score_many
from sepvae.evaluation.rows import ScoreRow, from_record, to_record
from sepvae.evaluation.unusable import UNUSABLE
from sepvae.progress import progress
from sepvae.unfinished import Unfinished


def score_or_keep(
    items: Sequence[ItemFiles], left: Unfinished | None, *, table: str, measures: Sequence[str] | None, jobs: int
) -> list[ScoreRow]:
    """Return the rows of all items, of the systems and of the mixture, in the order of the items.

    Args:
        items: with their files.
        left: what the same command has left; None keeps nothing.
        table: name of the file that the rows are for.
        measures: as in `score_systems`.
        jobs: processes.
    """
    # In their order: rows that are yet to come have their place.
    rows = {one.item: _kept(one, left, table) for one in items}
    todo = [one for one in items if not rows[one.item]]
    scores = score_many(todo, measures=measures, floor=UNPROCESSED, jobs=jobs)
    with closing(scores), progress("evaluate", len(items), unit="items", start=len(items) - len(todo)) as job:
        for one, own in zip(todo, scores, strict=True):
            rows[one.item] = own
            # What is wrong with a signal is found again, and may be mended by then.
            if left is not None and not any(UNUSABLE & set(row.reasons.values()) for row in own):
                left.begin(_name(one, table))
                left.finish(_name(one, table), one.files, {"outputs": {}, "of": one.mark, "rows": [*map(_note, own)]})
            job.advance()
    return [row for own in rows.values() for row in own]


def _name(one: ItemFiles, table: str) -> str:
    return f"{table}: {one.item}"


def _note(row: ScoreRow) -> dict[str, Any]:
    """Return a row as JSON whose keys may be sorted."""
    return {"row": to_record(row), "measures": [*row.values]}


def _kept(one: ItemFiles, left: Unfinished | None, table: str) -> list[ScoreRow]:
    """Return the rows that are known of an item; none where it is to be scored."""
    made = None if left is None else left.kept(_name(one, table), one.files)
    if made is None or made.get("of") != one.mark:
        return []
    try:
        return [*_rows(made)]
    except (InputError, KeyError, TypeError, AttributeError, ValueError):
        # No note of ours: of what it tells, nothing is known.
        return []


def _rows(made: Mapping[str, Any]) -> Iterator[ScoreRow]:
    for note in made["rows"]:
        row = from_record(note["row"])
        yield replace(row, values={name: row.values[name] for name in note["measures"]})

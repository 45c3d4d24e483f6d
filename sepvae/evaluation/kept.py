"""Scores of a folder, going on where the same command was stopped: rows are kept in its note beside the table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from sepvae.evaluation.failures import UNPROCESSED
from sepvae.evaluation.folders import ItemFiles
from sepvae.evaluation.many import score_many
from sepvae.evaluation.rows import ScoreRow, from_record, to_record
from sepvae.evaluation.unusable import OUT_OF_MEMORY, PROCESS_KILLED
from sepvae.progress import progress
from sepvae.unfinished import Unfinished

# What may be otherwise when it is tried again.
_PASSING = {OUT_OF_MEMORY, PROCESS_KILLED, "pesq_not_installed", "pystoi_not_installed"}


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
    rows = dict[str, list[ScoreRow]]()
    for one in items:
        kept = None if left is None else left.kept(f"{table}: {one.item}", one.files)
        rows[one.item] = [from_record(record) for record in kept["rows"]] if kept else []
    todo = [one for one in items if not rows[one.item]]
    scores = score_many(todo, measures=measures, floor=UNPROCESSED, jobs=jobs)
    with closing(scores), progress("evaluate", len(items), unit="items", start=len(items) - len(todo)) as job:
        for one, own in zip(todo, scores, strict=True):
            rows[one.item] = own
            if left is not None and not any(_PASSING & set(row.reasons.values()) for row in own):
                name = f"{table}: {one.item}"
                left.begin(name)
                left.finish(name, one.files, {"outputs": {}, "rows": [to_record(row) for row in own]})
            job.advance()
    return [row for own in rows.values() for row in own]

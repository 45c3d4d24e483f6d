"""`sepvae evaluate`: score estimates against references."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sepvae.evaluation import ScoreItem

_LAYOUT = """\
Both folders hold one folder per item with one file per source, as 'sepvae separate' and the recipes write them:
  REFERENCES/<item>/<source>.wav   REFERENCES/<item>/mixture.wav   ESTIMATES/<item>/<source>.wav
The mixture may be missing: then it is the sum of the references."""


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("evaluate", help="score estimates against references", epilog=_LAYOUT, **options)
    parser.add_argument("--references", type=Path, required=True, metavar="DIR", help="folder of the true sources")
    parser.add_argument("--estimates", type=Path, required=True, metavar="DIR", help="folder of the estimates")
    parser.add_argument("--name", default="estimates", help="name of the system in the table")
    parser.add_argument("--measures", nargs="+", metavar="NAME", help="measures to take, all when not given")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write every score: .csv or .jsonl")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="for programs: the summary as JSON on stdout")
    parser.set_defaults(run=run)


def _items(references: Path, estimates: Path, name: str) -> list[ScoreItem]:
    """Pair the items of both folders; InputError names an item or source that has no estimate."""
    from sepvae.errors import InputError
    from sepvae.evaluation import ScoreItem

    items = []
    for folder in sorted(path for path in references.glob("*") if path.is_dir()):
        sources = {file.stem: file for file in sorted(folder.glob("*.wav")) if file.stem != "mixture"}
        found = {source: estimates / folder.name / f"{source}.wav" for source in sources}
        missing = [str(path) for path in found.values() if not path.is_file()]
        if missing:
            raise InputError(f"{missing[0]}: no such estimate (of {references / folder.name})")
        mixture = folder / "mixture.wav"
        items.append(ScoreItem(name, folder.name, mixture if mixture.is_file() else None, sources, found))
    if not items:
        raise InputError(f"{references}: no folders of references found there: see 'sepvae evaluate --help'")
    return items


def run(args: argparse.Namespace) -> int:
    """Score, print the table, and write the rows."""
    from sepvae.evaluation import MEASURES, format_table, score_many, summarise, write_rows
    from sepvae.files import to_json

    measures = args.measures or list(MEASURES)
    rows = score_many(_items(args.references, args.estimates, args.name), measures=measures, jobs=args.jobs)
    if args.out:
        write_rows(args.out, rows)
    summary = summarise(rows)
    sys.stdout.write((to_json(summary, indent=2) if args.json else format_table(summary, measures)) + "\n")
    return 0

"""`sepvae evaluate`: score estimates against references."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sepvae.evaluation import ScoreTask

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
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write every score: .csv or .json")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="for programs: the summary as JSON on stdout")
    parser.set_defaults(run=run)


def _tasks(references: Path, estimates: Path, name: str) -> Iterator[ScoreTask]:
    """Yield the items of both folders; InputError names an item or source that has no estimate."""
    import numpy as np

    from sepvae import audio
    from sepvae.errors import InputError
    from sepvae.evaluation import ScoreTask

    folders = sorted(path for path in references.glob("*") if path.is_dir())
    if not folders:
        raise InputError(f"{references}: no folders of references found there: see 'sepvae evaluate --help'")
    for folder in folders:
        sources = [file.stem for file in sorted(folder.glob("*.wav")) if file.stem != "mixture"]
        if not sources:
            raise InputError(f"{folder}: holds no references: see 'sepvae evaluate --help'")
        rate = audio.inspect(folder / f"{sources[0]}.wav").sample_rate
        true = {source: audio.read_mono(folder / f"{source}.wav", rate) for source in sources}
        found = {source: audio.read_mono(estimates / folder.name / f"{source}.wav", rate) for source in sources}
        mixed = folder / "mixture.wav"
        mixture = audio.read_mono(mixed, rate) if mixed.is_file() else np.sum(list(true.values()), axis=0)
        yield ScoreTask(folder.name, true, {name: found}, mixture, rate)


def run(args: argparse.Namespace) -> int:
    """Score, print the table, and write the rows."""
    from sepvae.evaluation import format_table, score_many, summarise, write_rows
    from sepvae.files import to_json

    tasks = _tasks(args.references, args.estimates, args.name)
    rows = [row for rows in score_many(tasks, measures=args.measures, jobs=args.jobs) for row in rows]
    if args.out:
        write_rows(args.out, rows)
    summary = summarise(rows)
    sys.stdout.write((to_json(summary, indent=2) if args.json else format_table(summary)) + "\n")
    return 0

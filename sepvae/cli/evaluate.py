"""`sepvae evaluate`: score estimates against references."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import add_jobs, add_overwrite, checked, choice, comma_list, path_argument, whole_number
from sepvae.cli.resuming import unfinished
from sepvae.errors import SepvaeError
from sepvae.evaluation import IMPROVEMENT, LAYOUTS, MEASURES, MIXTURES, PERMUTATIONS, known_measure

if TYPE_CHECKING:
    from sepvae.evaluation.folders import ItemFiles
    from sepvae.evaluation.layouts import Folder
    from sepvae.evaluation.rows import ScoreRow
    from sepvae.unfinished import Unfinished

_LOGGER = logging.getLogger(__name__)

# In the note of what is done, beside the items: the table is being written.
_TABLE = "the table"

_FOLDERS = """\
References and estimates lie in folders of one of two layouts, each by itself
(of what 'sepvae mix --audio' writes give one split, such as DIR/test):
  item/source: DIR/<item>/<source>.wav    DIR/<item>/mixture.wav
  source/item: DIR/<source>/<item>.wav    DIR/mixture/<item>.wav
A layout that is not given is recognised; where the same files can be read in
both ways, and nothing decides, that is an error. Where no item has a mixture
(mixture, mix, mix_clean or mix_both) it is the sum of the references. A
reference called noise is scored where there are estimates of it; otherwise it
is what was added to the sources.
An item, a reference or an estimate that cannot be used has a reason in its
row, all others have their values, and the exit code is 1. An estimate that is
missing or failed, silent or with samples that are no numbers, counts in the
means as the mixture does, or as the worst of the others where that is less."""


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("evaluate", help="score estimates against references", epilog=_FOLDERS, **options)
    parser.add_argument(
        "--references", type=path_argument, required=True, metavar="DIR", help="folder of the true sources"
    )
    parser.add_argument("--estimates", type=path_argument, required=True, metavar="DIR", help="folder of the estimates")
    parser.add_argument("--name", default="estimates", help="name of the system in the table")
    parser.add_argument(
        "--measures",
        type=comma_list(checked(known_measure)),
        metavar="A,B",
        help=f"measures to take, all when not given: {', '.join(MEASURES)}; and each with {IMPROVEMENT} behind it, for "
        "what is gained over the mixture",
    )
    parser.add_argument("-o", "--out", type=path_argument, metavar="FILE", help="write every score: .csv or .json")
    parser.add_argument(
        "--channel",
        type=whole_number("channels", 0, 255),
        metavar="N",
        help="channel of references with several: 0 is the reference microphone of 'sepvae mix --room'",
    )
    parser.add_argument("--layout", **choice(LAYOUTS, "layout"), help="layout of the references, see below")
    parser.add_argument("--estimates-layout", **choice(LAYOUTS, "layout"), help="layout of the estimates")
    parser.add_argument(
        "--permutation",
        **choice(PERMUTATIONS, "permutation"),
        help="which estimate belongs to a source: fixed, the one of its name; best, that of the permutation with the "
        "highest mean SIR in each item, for outputs in any order; the rows of --out say which it was. Not given, it is "
        "best where all estimates have numbers for names that no source has, as talker_1",
    )
    parser.add_argument("--mixture", metavar="NAME", help="how the mixture is called, where it has another name or two")
    add_jobs(parser)
    add_overwrite(parser, "replace the file of --out")
    parser.add_argument("--json", action="store_true", help="for programs: the summary as JSON on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score, print the table, and write the rows; return 1 where an item has a reason in place of a value."""
    from sepvae.evaluation.failures import UNPROCESSED
    from sepvae.evaluation.folders import find_items, tell_of_headers
    from sepvae.evaluation.layouts import Folder, pair_folders
    from sepvae.evaluation.rows import check_table
    from sepvae.evaluation.unusable import UNUSABLE
    from sepvae.files import check_free

    if args.out:
        try:
            check_free(args.out, overwrite=args.overwrite)
        except SepvaeError:
            with _left(args) as left:
                # Stopped behind its last step, the command has left a note.
                if left.may_replace(_TABLE):
                    left.clear()
            raise
    mixtures = (args.mixture,) if args.mixture else MIXTURES
    references = Folder.read(args.references, advice="give that of the true sources, see 'sepvae evaluate --help'")
    estimates = Folder.read(args.estimates, advice="give that of the estimates, see 'sepvae evaluate --help'")
    unlisted = sum(_tell_passed_over(folder) for folder in (references, estimates))
    pair = pair_folders(
        references,
        estimates,
        layout=args.layout,
        estimates_layout=args.estimates_layout,
        mixtures=mixtures,
    )
    _LOGGER.info("%s: read as %s, %d items", references.root, pair.layout, len(pair.references))
    found = find_items(pair, system=args.name, permutation=args.permutation, mixtures=mixtures, channel=args.channel)
    if args.out:
        check_table(args.out)
    for note in found.notes:
        _LOGGER.warning("%s", note)
    tell_of_headers(found.items)
    rows = _score(args, found.items)
    if without := _without_value(row for row in rows if row.system != UNPROCESSED):
        _LOGGER.warning("values that there are not, and why: %s", without)
    bad = {row.item for row in rows if UNUSABLE & set(row.reasons.values())}
    if bad:
        where = f"; the reasons are in {args.out}" if args.out else ""
        _LOGGER.error("%d of %d items could not be scored in full%s", len(bad), len(found.items), where)
    return 1 if bad or unlisted else 0


def _left(args: argparse.Namespace) -> Unfinished:
    """Return what the same command has left to do; it is another one with other packages for its measures."""
    from sepvae.evaluation.measures import report_missing_packages

    missing = report_missing_packages(args.measures)
    folders = [args.references, args.estimates]
    return unfinished(args, folders, args.out.parent, table=args.out.name, missing=missing)


def _score(args: argparse.Namespace, items: Sequence[ItemFiles]) -> list[ScoreRow]:
    """Score, print the table and write the rows, and return them with those of the mixture."""
    from sepvae.evaluation.failures import UNPROCESSED, count_failures
    from sepvae.evaluation.kept import score_or_keep
    from sepvae.evaluation.rows import write_rows
    from sepvae.evaluation.statistics import summarise
    from sepvae.evaluation.table import format_table
    from sepvae.files import to_json

    out: Path | None = args.out
    with contextlib.ExitStack() as stack:
        left = stack.enter_context(_left(args)) if out else None
        table = out.name if out else ""
        rows = score_or_keep(items, left, table=table, measures=args.measures, jobs=args.jobs)
        counted = count_failures(rows)
        summary = summarise(counted.rows, failed=counted.failed)
        sys.stdout.write((to_json(summary, indent=2) if args.json else format_table(summary)) + "\n")
        if out and left is not None:
            left.begin(_TABLE)
            write_rows(out, (row for row in rows if row.system != UNPROCESSED))
            left.clear()
    return rows


def _without_value(rows: Iterable[ScoreRow]) -> str:
    """Return how many values of each measure signals that can be scored do not have, and why; empty for none."""
    from sepvae.evaluation.unusable import UNUSABLE

    found = Counter(one for row in rows for one in row.reasons.items())
    told = (one for one in sorted(found) if one[1] not in UNUSABLE and not one[1].endswith("_not_installed"))
    return ", ".join(f"{found[one]} of {one[0]} ({one[1]})" for one in told)


def _tell_passed_over(folder: Folder) -> int:
    """Say what in a folder is not scored; return how many folders in it cannot be listed."""
    if folder.n_elsewhere:
        text = "%s: %d audio files are not in its folders themselves, and are passed over"
        _LOGGER.warning(text, folder.root, folder.n_elsewhere)
    if said := folder.passed_over.describe():
        # Behind a second link to one folder there may be estimates.
        level = logging.WARNING if folder.passed_over.twice else logging.INFO
        _LOGGER.log(level, "%s: passed over: %s", folder.root, said)
    failures = folder.passed_over.failures()
    for _, message in failures:
        _LOGGER.error("%s", message)
    return len(failures)

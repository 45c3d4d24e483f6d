"""`sepvae report`: build the page of a finished recipe run again, or print its tables."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sepvae.cli.arguments import path_argument


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("report", help="build the page of a recipe run again, or print its tables", **options)
    parser.add_argument("folder", type=path_argument, metavar="RUN", help="folder of a recipe run (its --out)")
    parser.add_argument("--markdown", action="store_true", help="print the tables of scores and claims in Markdown")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write RUN/report.html from the scores and the audio in RUN, or print its tables."""
    from sepvae.progress import progress
    from sepvae.recipe.run import rebuild_report, results_tables

    if args.markdown:
        sys.stdout.write(results_tables(args.folder))
        return 0
    with progress(args.verb, 1, unit="pages") as job:
        page = rebuild_report(args.folder)
        job.advance()
    sys.stdout.write(f"{page}\n")
    return 0

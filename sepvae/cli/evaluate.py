"""`sepvae evaluate`: score estimates against references."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import add_jobs, add_overwrite, checked, comma_list
from sepvae.evaluation import IMPROVEMENT, MEASURES, known_measure

if TYPE_CHECKING:
    from sepvae.evaluation.many import ScoreTask

_FOLDERS = """\
Estimates lie as 'sepvae separate' and the recipes write them, references in
the same way or as 'sepvae mix --audio' writes a split (give one split, such as
DIR/test):
  ESTIMATES/<item>/<source>.wav
  REFERENCES/<item>/<source>.wav   REFERENCES/<item>/mixture.wav
  REFERENCES/<source>/<item>.wav   REFERENCES/mixture/<item>.wav
The mixture may be missing in the first form: then it is the sum of the
references. A reference called noise is scored where there is an estimate of
it; otherwise it is what was added to the sources.
An estimate that failed, silent or with samples that are no numbers, counts as
the mixture does, or as the worst of the others where that is less."""


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("evaluate", help="score estimates against references", epilog=_FOLDERS, **options)
    parser.add_argument("--references", type=Path, required=True, metavar="DIR", help="folder of the true sources")
    parser.add_argument("--estimates", type=Path, required=True, metavar="DIR", help="folder of the estimates")
    parser.add_argument("--name", default="estimates", help="name of the system in the table")
    parser.add_argument(
        "--measures",
        type=comma_list(checked(known_measure)),
        metavar="A,B",
        help=f"measures to take, all when not given: {', '.join(MEASURES)}; and each with {IMPROVEMENT} behind it, for "
        "what is gained over the mixture",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write every score: .csv or .json")
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="channel of references with several: 0 is the reference microphone of 'sepvae mix --room'",
    )
    add_jobs(parser)
    add_overwrite(parser, "replace the file of --out")
    parser.add_argument("--json", action="store_true", help="for programs: the summary as JSON on stdout")
    parser.set_defaults(run=run)


def _reference_files(references: Path) -> dict[str, dict[str, Path]]:
    """Return the files of each item by signal, from either layout; InputError when there are none."""
    from sepvae.errors import InputError
    from sepvae.files import check_folder

    check_folder(references, advice="give that of the true sources, see 'sepvae evaluate --help'")
    folders = sorted(path for path in references.glob("*") if path.is_dir())
    if (references / "mixture").is_dir():
        items = sorted(path.name for path in (references / "mixture").glob("*.wav"))
        return {Path(item).stem: {folder.name: folder / item for folder in folders} for item in items}
    found = {folder.name: {file.stem: file for file in sorted(folder.glob("*.wav"))} for folder in folders}
    if not found:
        raise InputError(f"{references}: no folders of references found there: see 'sepvae evaluate --help'")
    for item, files in found.items():
        if not set(files) - {"mixture", "noise"}:
            raise InputError(f"{references / item}: holds no references: see 'sepvae evaluate --help'")
    return found


def _reference(path: Path, rate: int, channel: int | None) -> Any:
    """Return a reference (time,): the only channel of a file, or the one asked for."""
    from sepvae import audio
    from sepvae.errors import InputError

    wave, found = audio.read(path)
    if len(wave) == 1 or found != rate:
        return audio.read_mono(path, rate)
    if channel is None:
        raise InputError(
            f"{path}: has {len(wave)} channels: say which of them the estimates belong to with --channel, 0 for the "
            "reference microphone of 'sepvae mix --room'"
        )
    if not 0 <= channel < len(wave):
        raise InputError(f"{path}: has {len(wave)} channels, there is no --channel {channel}: the first is 0")
    return wave[channel]


def _tasks(
    references: Mapping[str, dict[str, Path]], estimates: Path, name: str, channel: int | None
) -> Iterator[ScoreTask]:
    """Yield the items of both folders; InputError names an item or source that has no estimate."""
    import numpy as np

    from sepvae import audio
    from sepvae.evaluation.many import ScoreTask

    for item, files in references.items():
        rate = audio.inspect(next(iter(files.values()))).sample_rate
        waves = {signal: _reference(path, rate, channel) for signal, path in files.items()}
        mixture = waves.pop("mixture") if "mixture" in waves else np.sum(list(waves.values()), axis=0)
        noise = None if (estimates / item / "noise.wav").is_file() else waves.pop("noise", None)
        found = {source: audio.read_mono(estimates / item / f"{source}.wav", rate) for source in waves}
        yield ScoreTask(item, waves, {name: found}, mixture, rate, noise)


def run(args: argparse.Namespace) -> int:
    """Score, print the table, and write the rows."""
    from sepvae.evaluation.failures import UNPROCESSED, count_failures
    from sepvae.evaluation.many import score_many
    from sepvae.evaluation.rows import ScoreRow, write_rows
    from sepvae.evaluation.statistics import summarise
    from sepvae.evaluation.table import format_table
    from sepvae.files import check_folder, check_free, to_json
    from sepvae.progress import progress

    if args.out:
        check_free(args.out, overwrite=args.overwrite)
    check_folder(args.estimates, advice="give that of the estimates, see 'sepvae evaluate --help'")
    files, rows = _reference_files(args.references), list[ScoreRow]()
    tasks = _tasks(files, args.estimates, args.name, args.channel)
    scores = score_many(tasks, measures=args.measures, floor=UNPROCESSED, jobs=args.jobs)
    with closing(scores), progress("evaluate", len(files), unit="items") as job:
        for found in scores:
            rows += found
            job.advance()
    if args.out:
        write_rows(args.out, (row for row in rows if row.system != UNPROCESSED))
    counted = count_failures(rows)
    summary = summarise(counted.rows, failed=counted.failed)
    sys.stdout.write((to_json(summary, indent=2) if args.json else format_table(summary)) + "\n")
    return 0

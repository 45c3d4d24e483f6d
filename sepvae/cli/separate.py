"""`sepvae separate`: audio files to one file per source."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import add_device, add_overwrite, choice
from sepvae.cli.resuming import unfinished
from sepvae.estimator import MASKS
from sepvae.formats import SUBTYPES, is_audio

if TYPE_CHECKING:
    from sepvae.separation.arrays import BlockSeparator
    from sepvae.separation.files import SeparatedFile

_LOGGER = logging.getLogger(__name__)
# A long file is far more than a step of progress.
SECONDS = "s of audio"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "separate",
        help="separate audio files with a trained model",
        description="Separate audio files into OUT/<file>/<source>.wav, at their own rate and length, each channel by "
        "itself. What several microphones hear of the same talkers is separated by 'sepvae demix'.",
        **options,
    )
    parser.add_argument("-m", "--model", action="append", required=True, metavar="DIR", help="model folder; repeat")
    parser.add_argument("--mask", **choice(MASKS), help="mask; that of the models when not given")
    parser.add_argument(
        "--band-pass",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="keep these frequencies in Hz of every source; the sources then do not add up to the file",
    )
    add_files(parser)
    parser.set_defaults(run=run)


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb that makes several files of each one."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files or folders of them; - reads a list")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--subtype", **choice(SUBTYPES, "kind of samples"), default="float", help="samples of the outputs"
    )
    add_device(parser)
    add_overwrite(parser)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON record per file on stdout")


def list_files(files: Sequence[str]) -> list[Path]:
    """Return the files named, those in folders named, and those listed on stdin for `-`; InputError when none."""
    from sepvae.errors import InputError

    paths = list(dict.fromkeys(_listed(files)))
    if not paths:
        raise InputError(f"{' '.join(files)}: no audio files found there")
    return paths


def _listed(files: Sequence[str]) -> Iterator[Path]:
    for name in files:
        path = Path(name)
        if name == "-":
            yield from (Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
        elif path.is_dir():
            yield from (p for p in sorted(path.rglob("*")) if is_audio(p.name) and p.is_file())
        else:
            yield path


def durations(paths: Sequence[Path]) -> list[int]:
    """Return where each file begins and ends in whole seconds, one after the other, for progress.

    One that cannot be read takes no time: its error comes when it is its turn.
    """
    from sepvae import audio
    from sepvae.errors import InputError

    ends = [0.0]
    for path in paths:
        ends.append(ends[-1])
        with suppress(InputError):
            ends[-1] += audio.inspect(path).duration_s
    return [*map(round, ends[:-1]), max(round(ends[-1]), 1)]


def run(args: argparse.Namespace) -> int:
    """Separate every file."""
    from sepvae.config import parse_config
    from sepvae.devices import resolve_device
    from sepvae.separation.band_pass import BandPassConfig, BandPassed
    from sepvae.separation.separator import Separator

    paths = list_files(args.files)
    separator: BlockSeparator = Separator.load(*args.model, mask=args.mask, device=str(resolve_device(args.device)))
    if args.band_pass:
        low_hz, high_hz = args.band_pass
        # Type I: its edges are those of what is kept.
        settings = {"family": "chebyshev1", "low_hz": low_hz, "high_hz": high_hz}
        config = parse_config(BandPassConfig, settings, where="--band-pass")
        separator = BandPassed(separator, config)
    return run_files(args, paths, separator, done="separated")


def tell_outputs(args: argparse.Namespace, made: Mapping[str, Any]) -> None:
    """Write what was made of a file to stdout: a record of JSON, or the names of its outputs."""
    from sepvae.files import to_json

    lines = [to_json(made)] if args.json else list(made["outputs"].values())
    sys.stdout.write("\n".join(lines) + "\n")


def _tell_made(args: argparse.Namespace, made: SeparatedFile, done: str) -> None:
    """Say what was made of a file, and what was done on the way."""
    if made.resampled_to:
        _LOGGER.info("%s: resampled from %d to %d Hz and back", made.path, made.sample_rate, made.resampled_to)
    if made.n_channels > 1:
        _LOGGER.info("%s: each of the %d channels was %s by itself", made.path, made.n_channels, done)
    if made.clipped_samples:
        _LOGGER.warning("%s: %d samples clipped, write --subtype float", made.path, made.clipped_samples)
    tell_outputs(args, asdict(made))


def run_files(args: argparse.Namespace, paths: Sequence[Path], separator: BlockSeparator, *, done: str) -> int:
    """Take every file apart, and return the exit code; one that fails is named and does not stop the others.

    Args:
        args: with the arguments of `add_files`.
        paths: the files.
        separator: what takes them apart.
        done: what becomes of them, for messages.
    """
    from sepvae.errors import SepvaeError
    from sepvae.files import to_json
    from sepvae.progress import progress
    from sepvae.separation.files import output_folders, separate_file

    failed, ends = 0, durations(paths)
    with unfinished(args, paths, args.out) as batch, progress(args.verb, ends[-1], unit=SECONDS) as bar:
        for path, folder, before, end in zip(paths, output_folders(paths, args.out), ends, ends[1:], strict=False):

            def tell(seconds: float, before: int = before, end: int = end) -> None:
                bar.reach(min(before + round(seconds), end))

            item = folder.relative_to(args.out).as_posix()
            if kept := batch.kept(item, [path]):
                tell_outputs(args, kept)
                bar.reach(end)
                continue
            try:
                made = separate_file(
                    separator,
                    path,
                    folder,
                    subtype=args.subtype,
                    overwrite=args.overwrite or batch.may_replace(item),
                    begin=partial(batch.begin, item),
                    tell=tell,
                )
                batch.finish(item, [path], [*made.outputs.values()], asdict(made))
            except SepvaeError as error:
                failed += 1
                _LOGGER.error("%s", error)
                if args.json:
                    sys.stdout.write(to_json({"path": str(path), "error": str(error)}) + "\n")
                bar.reach(end)
                continue
            _tell_made(args, made, done)
            bar.reach(end)
        if not failed:
            batch.clear()
    if failed:
        _LOGGER.error("%d of %d files failed", failed, len(paths))
    return 1 if failed else 0

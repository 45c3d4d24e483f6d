"""`sepvae separate`: audio files to one file per source."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import add_device, add_overwrite, choice, path_argument
from sepvae.cli.backends import add_backend, load_portable, without_torch
from sepvae.cli.files import Listing, add_inputs, list_inputs
from sepvae.cli.ready_models import shipped_model
from sepvae.cli.resuming import unfinished
from sepvae.estimator import MASKS
from sepvae.formats import SUBTYPES

if TYPE_CHECKING:
    from sepvae.separation.arrays import BlockSeparator
    from sepvae.separation.files import SeparatedFile
    from sepvae.separation.separator import Separator

_LOGGER = logging.getLogger(__name__)
# A long file is far more than a step of progress.
SECONDS = "s of audio"
# What separates a file of which nothing is said.
DEFAULT_MODEL = "any-talkers"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "separate",
        help="separate audio files with a trained model",
        description="Separate audio files into OUT/<file>/<source>.wav, at their own rate and length, each channel by "
        "itself. What several microphones hear of the same talkers is separated by 'sepvae demix'.",
        **options,
    )
    parser.add_argument(
        "-m",
        "--model",
        action="append",
        metavar="DIR",
        help="model folder, or the name of a model that comes with sepvae ('sepvae model list'); repeat (default: "
        f"{DEFAULT_MODEL}, two talkers whoever they are)",
    )
    parser.add_argument(
        "--keep",
        action="append",
        metavar="VOICE",
        help="folder of a voice that 'sepvae enrol' has written: it becomes VOICE.wav, all others rest.wav; repeat",
    )
    parser.add_argument("--mask", **choice(MASKS), help="mask; that of the models when not given")
    parser.add_argument(
        "--band-pass",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="keep these frequencies in Hz of every source; the sources then do not add up to the file",
    )
    add_backend(parser)
    add_files(parser)
    parser.set_defaults(run=run)


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb that makes several files of each one."""
    add_inputs(parser)
    parser.add_argument("-o", "--out", type=path_argument, required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--subtype", **choice(SUBTYPES, "kind of samples"), default="float", help="samples of the outputs"
    )
    add_device(parser)
    add_overwrite(parser)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON record per file on stdout")


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
    from sepvae.separation.band_pass import BandPassConfig, BandPassed
    from sepvae.separation.enrolment import load_voice
    from sepvae.separation.kept_voices import KeptVoices

    listing = list_inputs(args.files, out=args.out)
    args.model = args.model or [str(shipped_model(DEFAULT_MODEL))]
    model = load_portable(args, args.model) if without_torch(args, args.model) else _load(args)
    separator: BlockSeparator = model
    if args.keep:
        separator = KeptVoices(model, [load_voice(folder) for folder in args.keep])
    if args.band_pass:
        low_hz, high_hz = args.band_pass
        # Type I: its edges are those of what is kept.
        settings = {"family": "chebyshev1", "low_hz": low_hz, "high_hz": high_hz}
        config = parse_config(BandPassConfig, settings, where="--band-pass")
        separator = BandPassed(separator, config)
    return run_files(args, listing, separator, done="separated")


def _load(args: argparse.Namespace) -> Separator:
    from sepvae.devices import resolve_device
    from sepvae.separation.separator import Separator

    return Separator.load(*args.model, mask=args.mask, device=str(resolve_device(args.device)))


def tell_failure(args: argparse.Namespace, path: str, message: str) -> None:
    """Say what became of a file that cannot be done."""
    from sepvae.files import to_json

    _LOGGER.error("%s", message)
    if args.json:
        sys.stdout.write(to_json({"path": path, "error": message}) + "\n")


def tell_failures(args: argparse.Namespace, listing: Listing) -> int:
    """Say what could not be looked at for files, and return how many places that are."""
    for path, message in listing.failures:
        tell_failure(args, path, message)
    return len(listing.failures)


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


def run_files(args: argparse.Namespace, listing: Listing, separator: BlockSeparator, *, done: str) -> int:
    """Take every file apart, and return the exit code; one that fails is named and does not stop the others.

    Args:
        args: with the arguments of `add_files`.
        listing: the files.
        separator: what takes them apart.
        done: what becomes of them, for messages.
    """
    from sepvae.batch import one_of_many
    from sepvae.errors import SepvaeError
    from sepvae.outputs import OutputList
    from sepvae.progress import progress
    from sepvae.separation.files import output_folders, separate_file

    paths, outputs = listing.paths, OutputList(args.out)
    folders = output_folders(paths, args.out)
    failed, ends = tell_failures(args, listing), durations(paths)
    with unfinished(args, paths, args.out, folders) as batch, progress(args.verb, ends[-1], unit=SECONDS) as bar:
        for path, folder, before, end in zip(paths, folders, ends, ends[1:], strict=False):

            def tell(seconds: float, before: int = before, end: int = end) -> None:
                bar.reach(min(before + round(seconds), end))

            item = folder.relative_to(args.out).as_posix()
            if kept := batch.kept(item, [path]):
                tell_outputs(args, kept)
                bar.reach(end)
                continue
            try:
                with one_of_many(str(path)):
                    made = separate_file(
                        separator,
                        path,
                        folder,
                        subtype=args.subtype,
                        overwrite=args.overwrite or batch.may_replace(item),
                        outputs=outputs,
                        begin=partial(batch.begin, item),
                        tell=tell,
                    )
                    batch.finish(item, [path], asdict(made))
            except SepvaeError as error:
                failed += 1
                tell_failure(args, str(path), str(error))
                bar.reach(end)
                continue
            _tell_made(args, made, done)
            bar.reach(end)
        if not failed:
            batch.clear()
    if failed:
        _LOGGER.error("%d of %d files failed", failed, len(paths) + len(listing.failures))
    return 1 if failed else 0

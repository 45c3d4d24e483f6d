"""`sepvae demix`: recordings of several microphones to one file for each talker."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import (
    add_help,
    add_model,
    add_settings,
    choice,
    comma_list,
    describe_settings,
    read_settings,
    whole_number,
)
from sepvae.cli.files import list_inputs
from sepvae.cli.ready_models import comes_with_sepvae, shipped_model, usually
from sepvae.cli.resuming import unfinished
from sepvae.cli.separate import SECONDS, add_files, durations, tell_failures, tell_outputs
from sepvae.demixing import ALGORITHMS

if TYPE_CHECKING:
    from sepvae.demixing.algorithm import AlgorithmChoice
    from sepvae.demixing.demixer import Demixer

_LOGGER = logging.getLogger(__name__)
# All of a recording is in memory at once: the filters are learnt from all of it.
_LESS_MEMORY = "cut it into shorter recordings, take fewer --channels, or use a machine with more"


# The model of speech where none is given.
DEFAULT_MODEL = "voices"


def _describe_algorithms(_: argparse.Namespace) -> Iterator[str]:
    yield "algorithms, and the usual values of their settings (--set):"
    for name in ALGORITHMS:
        entry = ALGORITHMS.resolve(name)
        about, needs = (entry.__doc__ or "").partition("\n")[0], ", has a model" if entry.needs_model else ""
        yield from describe_settings(
            f"  {name} ({entry.label}{needs}): {about}", entry.Config().model_dump(mode="json")
        )


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "demix",
        help="tell talkers apart by several microphones",
        description="Separate recordings of several microphones into OUT/<file>/<talker>.wav, at their own rate and "
        "length, as the first microphone hears each talker. A FILE has a channel for each microphone.",
        add_help=False,
        **options,
    )
    add_help(parser, _describe_algorithms)
    parser.add_argument(
        "--algorithm", **choice(ALGORITHMS, metavar="NAME"), required=True, help="what separates; see below"
    )
    add_model(
        parser,
        "for algorithms that have a model: folder of one of speech, or the name of a model that comes with sepvae"
        + usually(DEFAULT_MODEL),
    )
    add_files(parser)
    number = whole_number("talkers", 1, 64)
    parser.add_argument(
        "--talkers",
        type=number,
        metavar="N",
        help="how many talk; as many as channels when not given",
    )
    parser.add_argument(
        "--speakers",
        type=comma_list(str),
        default=[],
        metavar="A,B",
        help="who of the model's speakers talk, in the order wanted",
    )
    parser.add_argument(
        "--channels", type=comma_list(int), default=[], metavar="N,M", help="take these, counted from 0"
    )
    parser.add_argument("--microphones", action="store_true", help="the FILEs are the microphones of one recording")
    add_settings(parser, "the algorithm")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Demix every recording, and return the exit code; one that fails is named and does not stop the others."""
    from sepvae.batch import one_of_many
    from sepvae.demixing.files import demix_files
    from sepvae.errors import SepvaeError
    from sepvae.files import to_json
    from sepvae.outputs import OutputList
    from sepvae.progress import progress
    from sepvae.separation.files import output_folders

    listing = list_inputs(args.files, out=args.out)
    paths, outputs = listing.paths, OutputList(args.out)
    demixer_for = _demixers(args)
    recordings = [paths] if args.microphones else [[path] for path in paths]
    firsts = [files[0] for files in recordings]
    folders = output_folders(firsts, args.out)
    failed, ends = tell_failures(args, listing), durations(firsts)
    with unfinished(args, paths, args.out, folders) as batch, progress(args.verb, ends[-1], unit=SECONDS) as bar:
        for files, folder, end in zip(recordings, folders, ends[1:], strict=True):
            item = folder.relative_to(args.out).as_posix()
            if kept := batch.kept(item, files):
                tell_outputs(args, kept)
                bar.reach(end)
                continue
            try:
                with one_of_many(", ".join(map(str, files)), advice=_LESS_MEMORY):
                    made = demix_files(
                        demixer_for(files[0]),
                        files,
                        folder,
                        channels=args.channels,
                        n_sources=args.talkers,
                        speakers=args.speakers,
                        subtype=args.subtype,
                        overwrite=args.overwrite or batch.may_replace(item),
                        outputs=outputs,
                        begin=partial(batch.begin, item),
                    )
                    batch.finish(item, files, asdict(made))
            except SepvaeError as error:
                failed += 1
                _LOGGER.error("%s", error)
                if args.json:
                    sys.stdout.write(to_json({"paths": [str(path) for path in files], "error": str(error)}) + "\n")
                bar.reach(end)
                continue
            if made.resampled_to:
                _LOGGER.info("%s: resampled from %d to %d Hz and back", files[0], made.sample_rate, made.resampled_to)
            for talker, (speaker, probability) in made.likely.items():
                _LOGGER.info("%s: sounds most like %s (probability %.2f)", talker, speaker, probability)
            if made.clipped_samples:
                _LOGGER.warning("%s: %d samples clipped, write --subtype float", files[0], made.clipped_samples)
            tell_outputs(args, asdict(made))
            bar.reach(end)
        if not failed:
            batch.clear()
    if failed:
        _LOGGER.error("%d of %d recordings failed", failed, len(recordings) + len(listing.failures))
    return 1 if failed else 0


def _algorithm(args: argparse.Namespace) -> AlgorithmChoice:
    """Return the algorithm with its settings; one that has a model is given that of `-m`, or the usual one."""
    from sepvae.demixing.algorithm import AlgorithmChoice

    config = read_settings(args, ALGORITHMS.resolve(args.algorithm).Config)
    choice = AlgorithmChoice.of(args.algorithm, config.model_dump(mode="json"))
    if choice.entry.needs_model and args.model is None and comes_with_sepvae(DEFAULT_MODEL):
        args.model = shipped_model(DEFAULT_MODEL)
    choice.check_model(given=args.model is not None)
    return choice


def _demixers(args: argparse.Namespace) -> Callable[[Path], Demixer]:
    """Return what gives the demixer for a file: the model's, or without a model one for the rate of the file.

    Talkers that suit no file are refused here, as wrong usage.
    """
    from sepvae import audio
    from sepvae.demixing.demixer import Demixer, check_speakers, check_talkers
    from sepvae.devices import resolve_device

    choice, device = _algorithm(args), str(resolve_device(args.device))
    demixer = Demixer.load(args.model, choice, device=device) if args.model else None
    check_speakers(choice, args.speakers, known=demixer.speakers if demixer else ())
    check_talkers(args.speakers, args.talkers)
    if demixer is not None:
        return lambda _: demixer
    return lambda path: Demixer(choice, sample_rate=audio.inspect(path).sample_rate, device=device)

"""`sepvae separate --algorithm`: recordings of several microphones to one file for each talker."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sepvae.cli.settings import add_settings, read_settings

if TYPE_CHECKING:
    from sepvae.demixing.config import DemixingConfig
    from sepvae.demixing.demixer import Demixer

_LOGGER = logging.getLogger(__name__)
ALGORITHMS = ("auxiva", "ilrma", "mvae", "fastmvae", "fastmvae2", "gmvae")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that count with `--algorithm`."""
    group = parser.add_argument_group("several microphones")
    group.add_argument("--algorithm", choices=ALGORITHMS, help="demix the channels; auxiva and ilrma need no model")
    group.add_argument("--talkers", type=int, metavar="N", help="how many talk; as many as channels when not given")
    group.add_argument(
        "--speakers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="who of the model's speakers talk, in the order wanted",
    )
    group.add_argument("--channels", nargs="+", type=int, default=[], metavar="N", help="take these, counted from 0")
    group.add_argument("--microphones", action="store_true", help="the FILEs are the microphones of one recording")
    add_settings(group, "the algorithm")


def run(args: argparse.Namespace, paths: Sequence[Path]) -> int:
    """Demix every recording, and return the exit code; one that fails is named and does not stop the others."""
    from sepvae.demixing.config import DemixingConfig
    from sepvae.demixing.files import demix_files
    from sepvae.errors import SepvaeError
    from sepvae.files import to_json
    from sepvae.progress import progress
    from sepvae.separation.files import output_folders

    demixer_for = _demixers(args, read_settings(args, DemixingConfig, options={"algorithm": args.algorithm}))
    recordings = [list(paths)] if args.microphones else [[path] for path in paths]
    failed = 0
    with progress(args.verb, len(recordings), unit="recordings") as bar:
        for files, folder in zip(recordings, output_folders([files[0] for files in recordings], args.out), strict=True):
            try:
                made = demix_files(
                    demixer_for(files[0]),
                    files,
                    folder,
                    channels=args.channels,
                    n_sources=args.talkers,
                    speakers=args.speakers,
                    subtype=args.subtype,
                    overwrite=args.overwrite,
                )
            except SepvaeError as error:
                failed += 1
                _LOGGER.error("%s", error)
                if args.json:
                    sys.stdout.write(to_json({"paths": [str(path) for path in files], "error": str(error)}) + "\n")
                bar.advance(1)
                continue
            if made.resampled_to:
                _LOGGER.info("%s: resampled from %d to %d Hz and back", files[0], made.sample_rate, made.resampled_to)
            for talker, (speaker, probability) in made.likely.items():
                _LOGGER.info("%s: sounds most like %s (probability %.2f)", talker, speaker, probability)
            if made.clipped_samples:
                _LOGGER.warning("%s: %d samples clipped, write --subtype float", files[0], made.clipped_samples)
            lines = [to_json(asdict(made))] if args.json else list(made.outputs.values())
            sys.stdout.write("\n".join(lines) + "\n")
            bar.advance(1)
    if failed:
        _LOGGER.error("%d of %d recordings failed", failed, len(recordings))
    return 1 if failed else 0


def _demixers(args: argparse.Namespace, config: DemixingConfig) -> Callable[[Path], Demixer]:
    """Return what gives the demixer for a file: the model's, or without a model one for the rate of the file.

    Talkers that suit no file are refused here, as wrong usage.
    """
    from sepvae import audio
    from sepvae.demixing.demixer import Demixer, check_model, check_speakers, check_talkers
    from sepvae.devices import resolve_device
    from sepvae.errors import ConfigError

    device = str(resolve_device(args.device))
    if len(args.model) > 1:
        raise ConfigError("--algorithm takes one model, which knows all its speakers: give -m once")
    if args.model:
        demixer = Demixer.load(args.model[0], config, device=device)
        check_speakers(config, args.speakers, known=demixer.speakers)
        check_talkers(args.speakers, args.talkers)
        return lambda _: demixer
    check_model(config, None)
    check_speakers(config, args.speakers, known=())
    check_talkers(args.speakers, args.talkers)
    return lambda path: Demixer(config, sample_rate=audio.inspect(path).sample_rate, device=device)

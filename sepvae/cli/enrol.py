"""`sepvae enrol`: recordings of one person to the folder of a voice, for `sepvae separate --keep`."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from sepvae.cli.arguments import add_overwrite, path_argument, whole_number
from sepvae.cli.files import add_inputs, list_inputs

_LOGGER = logging.getLogger(__name__)


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "enrol",
        help="learn what a voice sounds like, from recordings of it alone",
        description="Measure a voice in recordings of one person alone, 10 s or more, and write a small folder "
        "with which 'sepvae separate FILE --keep DIR' takes it out of other recordings. It is called as the folder is. "
        "It is biometric data: the README.md in the folder says what it holds.",
        **options,
    )
    add_inputs(parser)
    parser.add_argument("-o", "--out", type=path_argument, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--rate",
        type=whole_number("the rate", 8000, 48000),
        default=16000,
        metavar="HZ",
        help="rate of the model that is to use it",
    )
    add_overwrite(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Enrol a voice."""
    import re

    from sepvae.errors import ConfigError
    from sepvae.files import check_free
    from sepvae.separation.enrolment import VOICE, enrol_files, save_voice

    name = args.out.absolute().name
    if not re.fullmatch(r"[\w-]+", name) or name.casefold() == "rest":
        raise ConfigError(f"{name}: cannot name a voice: give --out another name, of letters, digits, _ and -")
    check_free(args.out, overwrite=args.overwrite)
    if args.out.is_dir() and not (args.out / VOICE).is_file():
        raise ConfigError(f"{args.out}: is a folder of something else, and stays: give --out another name")
    listing = list_inputs(args.files, out=args.out)
    for _, message in listing.failures:
        _LOGGER.error("%s", message)
    voice = enrol_files(name, listing.paths, sample_rate=args.rate)
    save_voice(args.out, voice)
    sys.stdout.write(f"{args.out}: {voice.seconds:.0f} s of speech\n")
    return 1 if listing.failures else 0

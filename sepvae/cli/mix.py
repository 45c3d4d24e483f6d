"""`sepvae mix`: draw mixtures from a corpus into a manifest, and render them when asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from sepvae.cli.arguments import add_help, add_seed, add_settings, describe_settings, read_settings
from sepvae.cli.corpus import add_corpus, add_manifest, check_out, write_out


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "mix",
        help="draw mixtures from a corpus",
        description="Draw mixtures to train, validate and test on from the utterances of a corpus. Mixtures that are "
        "ready, as those of WSJ0-2mix, are listed by 'sepvae corpus mixtures'.",
        add_help=False,
        **options,
    )
    add_help(parser, _describe)
    add_corpus(parser)
    add_manifest(parser)
    add_seed(parser, "the draw")
    parser.add_argument(
        "--room",
        nargs="?",
        const="",
        metavar="DIR",
        help="mix in simulated rooms (--set room.rt60_s=0.3 and others), or with the impulse responses in DIR",
    )
    add_settings(parser, "the mixtures")
    parser.set_defaults(run=run)


def _describe(_: argparse.Namespace) -> Iterator[str]:
    from sepvae.mixing.config import MixingConfig
    from sepvae.mixing.scene import RoomConfig

    yield from describe_settings("settings, and their usual values (--set):", MixingConfig().model_dump(mode="json"))
    yield from describe_settings("with --room:", RoomConfig().model_dump(mode="json"), "room.")


def _room_options(room: str | None) -> dict[str, Any]:
    """Return the settings that `--room` or `--room DIR` stands for."""
    if room is None:
        return {}
    return {"room": {"kind": "measured", "folder": room} if room else {"kind": "simulated", "folder": None}}


def run(args: argparse.Namespace) -> int:
    """Write the manifest."""
    from sepvae.corpora.records import has_lost, open_corpus, read_all
    from sepvae.mixing.config import MixingConfig
    from sepvae.mixing.protocol import make_mixtures

    config = read_settings(args, MixingConfig, options=_room_options(args.room), names={"room": "--room"})
    batch = check_out(args)
    corpus = open_corpus(args.corpus, args.layout)
    utterances = read_all(corpus)
    write_out(args, batch, make_mixtures(utterances, config, root=args.corpus, seed=args.seed), args.corpus)
    return 1 if has_lost(corpus.problems) else 0

"""`sepvae mix`: draw mixtures from a corpus into a manifest, and render them when asked for."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from sepvae.cli.corpus import KINDS
from sepvae.cli.settings import add_settings, read_settings, seed

_LOGGER = logging.getLogger(__name__)


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("mix", help="draw mixtures from a corpus", **options)
    parser.add_argument("folder", type=Path, metavar="CORPUS", help="folder of the corpus, or of ready mixtures")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="MANIFEST", help="manifest to write (.jsonl)")
    parser.add_argument("--corpus", choices=KINDS, help="layout of the corpus, recognised when not given")
    parser.add_argument("--ready", action="store_true", help="CORPUS holds ready mixtures: WSJ0-2mix or Libri2Mix")
    parser.add_argument("--seed", type=seed, default=None, help="seed of the draw, 0 when not given")
    parser.add_argument("--audio", type=Path, metavar="DIR", help="also write the mixtures and sources as audio")
    parser.add_argument(
        "--room",
        nargs="?",
        const="",
        metavar="DIR",
        help="mix in simulated rooms (--set room.rt60_s=0.3 and others), or with the impulse responses in DIR",
    )
    add_settings(parser, "the mixtures")
    parser.set_defaults(run=run)


def _refuse(option: str, given: bool) -> None:
    from sepvae.errors import ConfigError

    if given:
        raise ConfigError(f"mix --ready takes the mixtures as they are, {option} would change nothing: leave it out")


def _room_options(room: str | None) -> dict[str, Any]:
    """Return the settings that `--room` or `--room DIR` stands for."""
    if room is None:
        return {}
    return {"room": {"kind": "measured", "folder": room} if room else {"kind": "simulated", "folder": None}}


def run(args: argparse.Namespace) -> int:
    """Write the manifest."""
    from sepvae.corpora.records import open_corpus
    from sepvae.mixing.config import MixingConfig
    from sepvae.mixing.manifest import write_manifest
    from sepvae.mixing.mixture import write_mixtures
    from sepvae.mixing.protocol import make_mixtures
    from sepvae.mixing.ready import read_ready_mixtures

    if args.ready:
        for option, value in (("--config", args.config), ("--set", args.overrides), ("--corpus", args.corpus)):
            _refuse(option, bool(value))
        _refuse("--seed", args.seed is not None)
        _refuse("--room", args.room is not None)
        manifest = read_ready_mixtures(args.folder)
    else:
        config = read_settings(args, MixingConfig, options=_room_options(args.room))
        corpus = open_corpus(args.folder, args.corpus)
        utterances = list(corpus.utterances())
        for problem in corpus.problems:
            _LOGGER.warning("%s", problem.message)
        manifest = make_mixtures(utterances, config, root=args.folder, seed=args.seed or 0)
    write_manifest(args.out, manifest)
    if args.audio:
        write_mixtures(manifest, args.folder, args.audio)
    counts: dict[str, int] = {}
    for mixture in manifest.mixtures:
        counts[mixture.split] = counts.get(mixture.split, 0) + 1
    sys.stdout.write(f"{args.out}: {', '.join(f'{count} {split}' for split, count in counts.items())}\n")
    return 0

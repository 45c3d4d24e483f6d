"""`sepvae enhance`: noisy audio files to speech and noise."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from sepvae.cli.arguments import (
    add_help,
    add_model,
    add_settings,
    choice,
    describe_settings,
    read_settings,
)
from sepvae.cli.files import list_inputs
from sepvae.cli.separate import add_files, run_files
from sepvae.enhancement import INFERENCES


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "enhance",
        help="take speech out of noise with a model of clean speech",
        description="Take audio files apart into OUT/<file>/speech.wav and noise.wav, at their own rate and length. "
        "The model is of clean speech alone (train it with the preset speech_prior); the noise is "
        "learnt from each file.",
        add_help=False,
        **options,
    )
    add_help(parser, _describe)
    add_model(parser, "model folder of clean speech", required=True)
    parser.add_argument("--inference", **choice(INFERENCES), help="how the speech is found (default: map)")
    add_files(parser)
    add_settings(parser, "the inference")
    parser.set_defaults(run=run)


def _describe(_: argparse.Namespace) -> Iterator[str]:
    from sepvae.enhancement.config import EnhancementConfig

    usual = EnhancementConfig().model_dump(mode="json")
    rest = {key: value for key, value in usual.items() if key != "inference"}
    yield from describe_settings("settings, and their usual values (--set):", rest)
    for name in INFERENCES:
        own = INFERENCES.resolve(name).Config().model_dump(mode="json")
        yield from describe_settings(f"with --inference {name}:", own, "inference.settings.")


def run(args: argparse.Namespace) -> int:
    """Enhance every file."""
    from sepvae.devices import resolve_device
    from sepvae.enhancement.config import EnhancementConfig
    from sepvae.enhancement.enhancer import Enhancer

    listing = list_inputs(args.files, out=args.out)
    options = {"inference": {"kind": args.inference}} if args.inference else {}
    config = read_settings(args, EnhancementConfig, options=options, names={"inference": "--inference"})
    enhancer = Enhancer.load(args.model, config, device=str(resolve_device(args.device)))
    return run_files(args, listing, enhancer, done="enhanced")

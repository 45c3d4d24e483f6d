"""`sepvae enhance`: noisy audio files to speech and noise."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import (
    add_help,
    add_model,
    add_settings,
    choice,
    describe_settings,
    read_settings,
)
from sepvae.cli.backends import add_backend, load_portable, without_torch
from sepvae.cli.files import list_inputs
from sepvae.cli.ready_models import shipped_model
from sepvae.cli.separate import add_files, run_files
from sepvae.enhancement import INFERENCES

if TYPE_CHECKING:
    from sepvae.separation.arrays import BlockSeparator

# What enhances a file where nothing is said.
DEFAULT_MODEL = "noise"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "enhance",
        help="take speech out of noise",
        description="Take audio files apart into OUT/<file>/speech.wav and noise.wav, at their own rate and length. "
        "A model of speech in noise does it at once. With one of clean speech alone (train it with the preset "
        "speech_prior) the noise is learnt from each file, as the settings say.",
        add_help=False,
        **options,
    )
    add_help(parser, _describe)
    add_model(
        parser,
        "model folder of speech in noise or of clean speech, or the name of a model that comes with sepvae (default: "
        f"{DEFAULT_MODEL})",
    )
    parser.add_argument("--inference", **choice(INFERENCES), help="how the speech is found (default: map)")
    add_backend(parser)
    add_files(parser)
    add_settings(parser, "the inference")
    parser.set_defaults(run=run)


def _describe(_: argparse.Namespace) -> Iterator[str]:
    if not importlib.util.find_spec("torch"):
        # What there is to set is of models of clean speech, which need it.
        return
    from sepvae.enhancement.config import EnhancementConfig

    usual = EnhancementConfig().model_dump(mode="json")
    rest = {key: value for key, value in usual.items() if key != "inference"}
    yield from describe_settings("settings, and their usual values (--set):", rest)
    for name in INFERENCES:
        own = INFERENCES.resolve(name).Config().model_dump(mode="json")
        yield from describe_settings(f"with --inference {name}:", own, "inference.settings.")


def run(args: argparse.Namespace) -> int:
    """Enhance every file."""
    listing = list_inputs(args.files, out=args.out)
    return run_files(args, listing, _enhancer(args), done="enhanced")


def _enhancer(args: argparse.Namespace) -> BlockSeparator:
    """Return what the model is for: of clean speech, or of speech and what else is heard."""
    args.model = args.model or shipped_model(DEFAULT_MODEL)
    model = str(args.model)
    told = bool(args.inference or args.overrides or args.config)
    if without_torch(args, [model]):
        return _of_noise(args, load_portable(args, [model]), told=told)
    from sepvae.devices import resolve_device
    from sepvae.enhancement.config import EnhancementConfig
    from sepvae.enhancement.enhancer import Enhancer
    from sepvae.estimator.checkpoint import load_checkpoint
    from sepvae.separation.separator import Separator

    options = {"inference": {"kind": args.inference}} if args.inference else {}
    config = read_settings(args, EnhancementConfig, options=options, names={"inference": "--inference"})
    checkpoint = load_checkpoint(model)
    device = str(resolve_device(args.device))
    if len(checkpoint.config.sources) == 1 or "speech" not in checkpoint.config.sources:
        return Enhancer(checkpoint, config, device=device)
    return _of_noise(args, Separator([checkpoint], device=device), told=told)


def _of_noise(args: argparse.Namespace, separator: BlockSeparator, *, told: bool) -> BlockSeparator:
    """Return a model of speech in noise, which has nothing to be told; ConfigError when it is none, or is told."""
    from sepvae.errors import ConfigError

    name = args.model
    if "speech" not in separator.sources:
        raise ConfigError(f"{name}: gives {', '.join(separator.sources)}, and no speech: use it by 'sepvae separate'")
    if told:
        raise ConfigError(
            f"{name}: a model of speech in noise has nothing to set: leave out --inference, --set and --config, or "
            "give a model of clean speech with -m"
        )
    return separator

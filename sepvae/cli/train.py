"""`sepvae train`: one model per source of a manifest of mixtures."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from sepvae.cli.settings import add_settings, read_settings, seed

_LOGGER = logging.getLogger(__name__)


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "train",
        help="train one model per source",
        description="Train one model per source. On several devices: torchrun --nproc-per-node N -m sepvae train …",
        **options,
    )
    parser.add_argument("manifest", type=Path, help="mixtures, from 'sepvae mix'")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the corpus they draw from")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--seed", type=seed, default=0, help="seed of weights, batches and noise")
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--overwrite", action="store_true", help="start anew where a run with other settings lies")
    add_settings(parser, "front-end, model, objective and optimiser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, or continue a run that was stopped."""
    from sepvae.errors import InputError
    from sepvae.files import remove
    from sepvae.mixing.manifest import read_manifest
    from sepvae.mixing.protocol import describe_indistinct, indistinct_sources
    from sepvae.training.config import TrainingConfig
    from sepvae.training.loop import TrainingData, train

    config = read_settings(args, TrainingConfig)
    mixtures = read_manifest(args.manifest).mixtures
    splits = {split: [m for m in mixtures if m.split == split] for split in ("train", "valid")}
    if not splits["train"]:
        raise InputError(f"{args.manifest}: has no mixtures of the split 'train': make some with 'sepvae mix'")
    if alike := indistinct_sources(splits["train"]):
        _LOGGER.warning("%s", describe_indistinct(alike))
    if args.overwrite:
        for name in ("state", "model", "log.csv", "tensorboard"):
            remove(args.out / name)
    data = TrainingData(splits["train"], splits["valid"], args.data)
    train(config, data, args.out, seed=args.seed, device=args.device)
    sys.stdout.write(f"{args.out / 'model'}\n")
    return 0

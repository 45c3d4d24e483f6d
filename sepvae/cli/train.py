"""`sepvae train`: one model per source of a manifest of mixtures, or one of clean speech, of one or all speakers."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.settings import add_settings, read_settings, seed

if TYPE_CHECKING:
    from sepvae.training.config import TrainingConfig
    from sepvae.training.loop import TrainingData

_LOGGER = logging.getLogger(__name__)


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "train",
        help="train one model per source",
        description="Train a model for the sources of a manifest of mixtures: the temporal VAE, or what --config or "
        "--set model.kind=KIND ask for. With --speech and without a manifest: a model of all speech of the corpus, for "
        "'sepvae augment'. With --speaker and without a manifest: "
        "a model of one speaker's clean speech; 'sepvae separate FILE -m ONE -m ANOTHER' then separates speakers whose "
        "models know nothing of each other. On several devices: torchrun --nproc-per-node N -m sepvae train …",
        **options,
    )
    parser.add_argument("manifest", type=Path, nargs="?", help="mixtures, from 'sepvae mix'")
    parser.add_argument("--speaker", metavar="NAME", help="learn this speaker of the corpus, from clean speech alone")
    parser.add_argument("--speech", action="store_true", help="learn all utterances of the corpus, without labels")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the corpus they draw from")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--seed", type=seed, default=0, help="seed of weights, batches and noise")
    parser.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--preset", metavar="NAME", help="settings to start from, by their name")
    parser.add_argument("--overwrite", action="store_true", help="start anew where a run with other settings lies")
    add_settings(parser, "front-end, model, objective and optimiser")
    parser.set_defaults(run=run)


def _config(args: argparse.Namespace, usual: str) -> TrainingConfig:
    """Return the settings over the preset that was asked for, or the usual one."""
    from sepvae.settings import preset
    from sepvae.training.config import TrainingConfig

    base = preset(args.preset) if args.preset else None
    return read_settings(args, TrainingConfig, base=base, usual=preset(usual))


def _of_manifest(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.errors import InputError
    from sepvae.mixing.manifest import read_manifest
    from sepvae.mixing.protocol import describe_indistinct, indistinct_sources
    from sepvae.training.loop import TrainingData

    config = _config(args, "temporal_vae")
    manifest = read_manifest(args.manifest)
    train = manifest.of_split("train")
    if not train:
        raise InputError(f"{args.manifest}: has no mixtures of the split 'train': make some with 'sepvae mix'")
    if alike := indistinct_sources(train):
        _LOGGER.warning("%s", describe_indistinct(alike))
    return config, TrainingData(train, manifest.of_split("valid"), args.data)


def _of_speech(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.corpora.records import open_corpus, read_all
    from sepvae.mixing.single_source import corpus_mixtures
    from sepvae.training.loop import TrainingData

    config = _config(args, "segment_conv")
    utterances = read_all(open_corpus(args.data))
    rate = config.frontend.sample_rate
    train, valid = corpus_mixtures(utterances, root=args.data, sample_rate=rate, seed=args.seed)
    _LOGGER.info("%d utterances to train, %d to validate", len(train), len(valid))
    return config, TrainingData(train, valid, args.data)


def _of_speaker(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.corpora.records import open_corpus, read_all
    from sepvae.mixing.single_source import speaker_mixtures
    from sepvae.training.loop import TrainingData

    config = _config(args, "clean_source")
    utterances = read_all(open_corpus(args.data))
    train, valid = speaker_mixtures(
        utterances, args.speaker, root=args.data, sample_rate=config.frontend.sample_rate, seed=args.seed
    )
    _LOGGER.info("%s: %d utterances to train, %d to validate", args.speaker, len(train), len(valid))
    return config, TrainingData(train, valid, args.data)


def run(args: argparse.Namespace) -> int:
    """Train, or continue a run that was stopped."""
    from sepvae.errors import ConfigError
    from sepvae.files import remove
    from sepvae.training.loop import train

    if [args.manifest is None, args.speaker is None, not args.speech].count(False) != 1:
        raise ConfigError("train: give one of a manifest of mixtures, --speaker NAME of the corpus, and --speech")
    config, data = (_of_speech if args.speech else _of_speaker if args.speaker else _of_manifest)(args)
    _LOGGER.info("model %s, objective %s, %d epochs", config.model.kind, config.objective.kind, config.optimiser.epochs)
    if args.overwrite:
        for name in ("state", "model", "log.csv", "tensorboard"):
            remove(args.out / name)
    train(config, data, args.out, seed=args.seed, device=args.device)
    sys.stdout.write(f"{args.out / 'model'}\n")
    return 0

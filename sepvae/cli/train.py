"""`sepvae train`: one model per source of a manifest of mixtures, or one of clean speech, of one or all speakers."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import (
    add_device,
    add_help,
    add_layout,
    add_overwrite,
    add_seed,
    add_settings,
    choice,
    describe_settings,
    path_argument,
    read_settings,
)
from sepvae.presets import OF_SPEECH, preset_names

if TYPE_CHECKING:
    from sepvae.corpora.records import Utterance
    from sepvae.training.config import TrainingConfig
    from sepvae.training.loop import TrainingData

_LOGGER = logging.getLogger(__name__)
# What is trained when nothing else is asked for.
_OF_MANIFEST, _OF_SPEAKER = "temporal_vae", "clean_source"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "train",
        help="train models: of the sources of mixtures, of a speaker, or of all speech",
        description="Train a model for the sources of a manifest of mixtures. With --speech in its place: a model of "
        "all speech of the corpus, for 'sepvae augment'. With --speaker: a model of one speaker's clean speech; "
        "'sepvae separate FILE -m ONE -m ANOTHER' then separates speakers whose models know nothing of each other. "
        "On several devices: torchrun --nproc-per-node N -m sepvae train …",
        add_help=False,
        **options,
    )
    add_help(parser, _describe)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("manifest", type=path_argument, nargs="?", metavar="MANIFEST", help="mixtures, from 'sepvae mix'")
    what.add_argument("--speaker", metavar="NAME", help="learn this speaker of the corpus, from clean speech alone")
    what.add_argument("--speech", action="store_true", help="learn all utterances of the corpus, without labels")
    parser.add_argument("--corpus", type=path_argument, required=True, metavar="DIR", help="folder of the corpus")
    add_layout(parser)
    parser.add_argument("-o", "--out", type=path_argument, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--preset",
        **choice(preset_names(), "preset", metavar="NAME"),
        help=f"settings to start from: {', '.join(preset_names())} (default: {_OF_MANIFEST}; {_OF_SPEAKER} with "
        f"--speaker, {OF_SPEECH} with --speech; none where --config or --set choose another model or objective)",
    )
    add_seed(parser, "weights, batches and noise")
    add_device(parser)
    add_overwrite(parser, "start anew where a run with other settings lies")
    add_settings(parser, "front-end, model, objective and optimiser")
    parser.set_defaults(run=run)


def _usual(args: argparse.Namespace) -> str:
    """Return the preset that is used when none is asked for."""
    return OF_SPEECH if args.speech else _OF_SPEAKER if args.speaker else _OF_MANIFEST


def _describe(args: argparse.Namespace) -> Iterator[str]:
    from sepvae.config import parse_config
    from sepvae.settings import preset
    from sepvae.training.config import TrainingConfig

    name = args.preset or _usual(args)
    config = parse_config(TrainingConfig, preset(name), where=f"preset {name}")
    title = f"settings of the preset {name} (--set); of another one: --preset NAME --help"
    yield from describe_settings(title, config.model_dump(mode="json"))


def _config(args: argparse.Namespace) -> TrainingConfig:
    """Return the settings over the preset that was asked for, or the usual one."""
    from sepvae.settings import preset
    from sepvae.training.config import TrainingConfig

    base = preset(args.preset) if args.preset else None
    config = read_settings(args, TrainingConfig, base=base, usual=preset(_usual(args)))
    _check_purpose(args, config)
    return config


def _check_purpose(args: argparse.Namespace, config: TrainingConfig) -> None:
    """Raise ConfigError for a model that no verb could use: of segments without --speech, or of sources with it."""
    from sepvae.errors import ConfigError
    from sepvae.models import MODELS
    from sepvae.models.segment_network import SegmentNetwork

    model, segments = config.model.kind, [name for name in MODELS if issubclass(MODELS.resolve(name), SegmentNetwork)]
    if args.speech and model not in segments:
        raise ConfigError(
            f"--speech is for models of speech segments, which are {', '.join(segments)}: {model} is none; choose "
            f"--preset {OF_SPEECH}, or leave --speech out"
        )
    if not args.speech and model in segments:
        raise ConfigError(f"model {model} is of speech segments, and of no source: train it with --speech")


def _utterances(args: argparse.Namespace) -> list[Utterance]:
    """Return the utterances of the corpus; what its reader had to leave out is said."""
    from sepvae.corpora.records import open_corpus, read_all, refuse_unreadable

    corpus = open_corpus(args.corpus, args.layout)
    utterances = read_all(corpus)
    refuse_unreadable(corpus.problems, args.corpus)
    return utterances


def _of_manifest(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.errors import InputError
    from sepvae.mixing.manifest import read_manifest
    from sepvae.mixing.protocol import describe_indistinct, indistinct_sources
    from sepvae.training.loop import TrainingData

    config = _config(args)
    manifest = read_manifest(args.manifest)
    train = manifest.of_split("train")
    if not train:
        raise InputError(f"{args.manifest}: has no mixtures of the split 'train': make some with 'sepvae mix'")
    if not config.objective.build().any_order and (alike := indistinct_sources(train)):
        _LOGGER.warning("%s", describe_indistinct(alike))
    return config, TrainingData(train, manifest.of_split("valid"), args.corpus)


def _of_speech(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.mixing.single_source import corpus_mixtures
    from sepvae.training.loop import TrainingData

    config = _config(args)
    rate = config.frontend.sample_rate
    train, valid = corpus_mixtures(_utterances(args), root=args.corpus, sample_rate=rate, seed=args.seed)
    _LOGGER.info("%d utterances to train, %d to validate", len(train), len(valid))
    return config, TrainingData(train, valid, args.corpus)


def _of_speaker(args: argparse.Namespace) -> tuple[TrainingConfig, TrainingData]:
    from sepvae.mixing.single_source import speaker_mixtures
    from sepvae.training.loop import TrainingData

    config = _config(args)
    rate = config.frontend.sample_rate
    train, valid = speaker_mixtures(_utterances(args), args.speaker, root=args.corpus, sample_rate=rate, seed=args.seed)
    _LOGGER.info("%s: %d utterances to train, %d to validate", args.speaker, len(train), len(valid))
    return config, TrainingData(train, valid, args.corpus)


def run(args: argparse.Namespace) -> int:
    """Train, or continue a run that was stopped."""
    from sepvae.files import remove
    from sepvae.training.loop import train

    config, data = (_of_speech if args.speech else _of_speaker if args.speaker else _of_manifest)(args)
    _LOGGER.info("model %s, objective %s, %d epochs", config.model.kind, config.objective.kind, config.optimiser.epochs)
    if args.overwrite:
        for name in ("state", "model", "log.csv", "tensorboard"):
            remove(args.out / name)
    train(config, data, args.out, seed=args.seed, device=args.device)
    sys.stdout.write(f"{args.out / 'model'}\n")
    return 0

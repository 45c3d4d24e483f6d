"""`sepvae augment`: new training speech from a corpus."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from sepvae.augmentation import AUGMENTATIONS, SYNTHESES
from sepvae.augmented import CONTENTS, WRITERS
from sepvae.augmented.manifests import PATHS
from sepvae.cli import augment_fit, augment_methods
from sepvae.cli.arguments import (
    add_device,
    add_jobs,
    add_layout,
    add_model,
    add_overwrite,
    add_setting,
    add_settings,
    choice,
    path_argument,
    read_settings,
    seed,
)
from sepvae.cli.ready_models import comes_with_sepvae, shipped_model, usually

# The model of segments of speech where none is given.
DEFAULT_MODEL = "segments"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "augment",
        help="make new training speech from a corpus",
        description="Make new training speech from a corpus, with its labels: list the methods and their settings, run "
        "them, and fit what those need that have a model.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    augment_fit.add(actions, options)
    augment_methods.add(actions, options)
    _add_run(actions, options)


def _add_run(actions: Any, options: dict[str, Any]) -> None:
    parser = actions.add_parser(
        "run",
        help="augment a corpus: audio or features, labels and manifests",
        description="Make COPIES of each utterance by each method, with its transcript and alignments. The result is "
        "the same for any number of jobs, and the same command goes on after an interruption.",
        **options,
    )
    setting = partial(add_setting, parser, config="sepvae.augmented.config:AugmentConfig")
    parser.add_argument("corpus", type=path_argument, metavar="CORPUS", help="folder of the corpus")
    add_layout(parser)
    setting("--split", key="split", metavar="NAME", help="augment this split of the corpus alone")
    parser.add_argument("-o", "--out", type=path_argument, required=True, metavar="DIR", help="folder of the result")
    setting(
        "--methods",
        key="methods",
        metavar="A,B,C+D",
        help=f"what to do, such as noise,speed+noise, where + makes a chain of {', '.join(AUGMENTATIONS)}",
    )
    setting("--copies", key="copies", type=int, metavar="N", help="records of each utterance by each method")
    setting("--seed", key="seed", type=seed, metavar="N", help="seed of all draws")
    add_model(
        parser,
        "for methods that have a model: folder of one, or the name of a model that comes with sepvae"
        + usually(DEFAULT_MODEL),
    )
    setting(
        "--synthesis",
        key="synthesis",
        **choice(SYNTHESES),
        help="how methods with a model make sound, each its own way when not given",
    )
    setting("--noise", key="noise.folder", metavar="DIR", help="recordings of noise; synthetic noise when not given")
    setting(
        "--room",
        key="reverberation.folder",
        metavar="DIR",
        help="impulse responses of rooms; synthetic ones when not given",
    )
    setting("--format", key="output.format", **choice(WRITERS), help="what is written")
    setting(
        "--contents",
        key="output.contents",
        **choice(CONTENTS),
        help="what that holds; samples, or log_mel in formats of features, when not given; decoded is what the model "
        "makes",
    )
    add_settings(
        parser, "the methods and of the output", keys=", such as noise.snr_db=[0,10] (see 'sepvae augment methods')"
    )
    add_jobs(parser)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, such as tcp://host:8786")
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="make one of N parts, for arrays of jobs")
    add_device(parser, "cpu", ", for methods with a model; the same bytes are promised on cpu alone")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad file")
    add_overwrite(parser, "start again in a folder that holds a run")
    parser.add_argument("--paths", **choice(PATHS, "kind of paths"), default="relative", help="in the manifests")
    parser.add_argument("--json", action="store_true", help="for programs: a summary in JSON on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Augment a corpus."""
    from dataclasses import asdict

    from sepvae.augmentation.contract import augmentation_class
    from sepvae.augmented.config import AugmentConfig
    from sepvae.augmented.folder import check_plugins
    from sepvae.augmented.run import RunOptions, augment_corpus, parse_shard
    from sepvae.corpora.records import open_corpus
    from sepvae.files import to_json

    if not args.overwrite:
        # Before the settings, in which an augmentation that is not loaded would be unknown.
        check_plugins(args.out)
    config = read_settings(args, AugmentConfig)
    model = args.model
    if any(augmentation_class(name).needs_model for name in config.names):
        from sepvae.estimator.folder import find_model_folder

        if model is None and comes_with_sepvae(DEFAULT_MODEL):
            model = shipped_model(DEFAULT_MODEL)
        model = find_model_folder(model) if model else None
    how = RunOptions(
        jobs=args.jobs, address=args.scheduler, shard=parse_shard(args.shard), strict=args.strict,
        overwrite=args.overwrite, device=args.device, paths=args.paths,
    )  # fmt: skip
    summary = augment_corpus(open_corpus(args.corpus, args.layout), args.out, config, model=model, run=how)
    if args.json:
        sys.stdout.write(to_json({**asdict(summary), "x_real_time": summary.x_real_time}) + "\n")
    else:
        failed = f", {summary.n_failures} failures (failures.jsonl)" if summary.n_failures else ""
        speed = f", {summary.x_real_time:.0f} x real time" if summary.made_s else ""
        sys.stdout.write(f"{summary.out}: {summary.n_records} records{failed}{speed}\n")
    return 1 if summary.n_failures else 0

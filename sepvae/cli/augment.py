"""`sepvae augment`: new training speech from a corpus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sepvae.cli import augment_fit, augment_methods
from sepvae.cli.corpus import KINDS
from sepvae.cli.settings import add_settings, read_settings, seed


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("augment", help="make new training speech from a corpus")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    augment_fit.add(actions, options)
    augment_methods.add(actions, options)
    _add_run(actions, options)


def _add_run(actions: Any, options: dict[str, Any]) -> None:
    parser = actions.add_parser(
        "run",
        help="augment a corpus: audio or features, labels and manifests",
        description="Make COPIES of each utterance by each method, with its transcript and alignments. The result is "
        "the same for any number of workers, and the same command goes on after an interruption.",
        **options,
    )
    parser.add_argument("folder", type=Path, metavar="CORPUS", help="folder of the corpus")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the result")
    parser.add_argument(
        "--methods", metavar="A,B,C+D", help="what to do, from 'sepvae augment methods'; + chains: noise,speed+noise"
    )
    parser.add_argument("--copies", type=int, help="records of each utterance by each method, 1 when not given")
    parser.add_argument("-m", "--model", type=Path, metavar="DIR", help="model folder, for methods that need one")
    parser.add_argument("--corpus", choices=KINDS, help="layout of the corpus, recognised when not given")
    parser.add_argument("--split", help="augment this split of the corpus alone")
    parser.add_argument("--noise", metavar="DIR", help="recordings of noise; synthetic noise when not given")
    parser.add_argument("--rooms", metavar="DIR", help="impulse responses of rooms; synthetic ones when not given")
    parser.add_argument("--format", help="wav (default), flac, npy, ark, webdataset or shar")
    parser.add_argument(
        "--contents", help="samples, log_mel, or decoded: features as the decoder of a model makes them"
    )
    parser.add_argument(
        "--synthesis", help="of all latent methods: filter the utterance, or griffin_lim for a new wave"
    )
    parser.add_argument("--seed", type=seed, default=None, help="seed of all draws, 0 when not given")
    parser.add_argument("-j", "--workers", type=int, default=1, help="processes")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, such as tcp://host:8786")
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="make one of N parts, for arrays of jobs")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad file")
    parser.add_argument("--overwrite", action="store_true", help="start again in a folder that holds a run")
    parser.add_argument("--paths", choices=["relative", "absolute"], default="relative", help="in the manifests")
    parser.add_argument("-d", "--device", default="cpu", help="cpu, cuda or cuda:N, for methods with a model")
    parser.add_argument("--json", action="store_true", help="for programs: a summary in JSON on stdout")
    add_settings(parser, "the methods (such as noise.snr_db=[0,10]) and of the output")
    parser.set_defaults(run=run)


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that stand in options of their own."""
    flat = {name: getattr(args, name) for name in ("methods", "copies", "split", "seed", "synthesis")}
    nested = {
        ("output", "format"): args.format,
        ("output", "contents"): args.contents,
        ("noise", "folder"): args.noise,
        ("reverberation", "folder"): args.rooms,
    }
    options: dict[str, Any] = {name: value for name, value in flat.items() if value is not None}
    for (part, key), value in nested.items():
        if value is not None:
            options.setdefault(part, {})[key] = value
    return options


def run(args: argparse.Namespace) -> int:
    """Augment a corpus."""
    from dataclasses import asdict

    from sepvae.augmented.config import AugmentConfig
    from sepvae.augmented.run import Run, augment_corpus, parse_shard
    from sepvae.corpora.records import open_corpus
    from sepvae.files import to_json

    config = read_settings(args, AugmentConfig, options=_options(args))
    how = Run(
        workers=args.workers, address=args.scheduler, shard=parse_shard(args.shard), strict=args.strict,
        overwrite=args.overwrite, device=args.device, paths=args.paths,
    )  # fmt: skip
    summary = augment_corpus(open_corpus(args.folder, args.corpus), args.out, config, model=args.model, run=how)
    if args.json:
        sys.stdout.write(to_json({**asdict(summary), "x_real_time": summary.x_real_time}) + "\n")
    else:
        failed = f", {summary.n_failures} failures (failures.jsonl)" if summary.n_failures else ""
        speed = f", {summary.x_real_time:.0f} x real time" if summary.made_s else ""
        sys.stdout.write(f"{summary.out}: {summary.n_records} records{failed}{speed}\n")
    return 1 if summary.n_failures else 0

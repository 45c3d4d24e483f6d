"""`sepvae corpus`: make, fetch, list and check corpora."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

KINDS = ("timit", "timit-sample", "librispeech", "vctk", "vivos", "vcc2018", "vcc2016", "arctic", "folder")


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    corpus = verbs.add_parser("corpus", help="make, fetch, list and check corpora")
    actions = corpus.add_subparsers(dest="action", metavar="ACTION", required=True)

    demo = actions.add_parser("demo", help="synthesise a small corpus in the layout of TIMIT", **options)
    demo.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    demo.add_argument("--speakers", type=int, default=16, help="number of speakers, half of them female")
    demo.set_defaults(run=_demo)

    fetch = actions.add_parser("fetch", help="download a free corpus", **options)
    fetch.add_argument("name", choices=["timit-sample"], help="NLTK's part of TIMIT (CC BY-NC-SA)")
    fetch.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    fetch.set_defaults(run=_fetch)

    for name, run, text in (
        ("list", _list, "list the utterances of a corpus"),
        ("validate", _validate, "report missing, broken, clipped, silent and duplicate files, leaks and alignments"),
    ):
        action = actions.add_parser(name, help=text, **options)
        action.add_argument("folder", type=Path, metavar="DIR", help="folder of the corpus")
        action.add_argument("--corpus", choices=KINDS, help="its layout, recognised when not given")
        action.add_argument("--json", action="store_true", help="for programs: JSON on stdout")
        action.set_defaults(run=run)


def _demo(args: argparse.Namespace) -> int:
    from sepvae.corpora.demo import make_demo_corpus

    make_demo_corpus(args.folder, speakers=args.speakers)
    sys.stdout.write(f"{args.folder}\n")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from sepvae.corpora.fetch import fetch_timit_sample

    sys.stdout.write(f"{fetch_timit_sample(args.folder)}\n")
    return 0


def _list(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from sepvae.corpora.records import open_corpus
    from sepvae.files import to_json

    corpus = open_corpus(args.folder, args.corpus)
    for utterance in corpus.utterances():
        if args.json:
            sys.stdout.write(to_json(asdict(utterance)) + "\n")
        else:
            split, text = utterance.split or "-", utterance.text or ""
            line = f"{utterance.id:24} {utterance.sex:8} {split:8} {utterance.duration_s:7.2f} s  {text}"
            sys.stdout.write(line.rstrip() + "\n")
    for problem in corpus.problems:
        sys.stderr.write(f"sepvae: {problem.message}\n")
    return 0


def _validate(args: argparse.Namespace) -> int:
    from sepvae.corpora.records import open_corpus
    from sepvae.corpora.validate import validate
    from sepvae.files import to_json

    report = validate(open_corpus(args.folder, args.corpus))
    sys.stdout.write(to_json(report.to_json(), indent=2) + "\n" if args.json else report.text() + "\n")
    return 0 if report.ok else 1

"""`sepvae corpus`: make, fetch, join, list and check corpora, and list corpora of ready mixtures."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sepvae.cli.arguments import add_jobs, add_layout, add_overwrite, choice, path_argument, whole_number

if TYPE_CHECKING:
    from sepvae.mixing.manifest import Manifest
    from sepvae.unfinished import Unfinished


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb that reads a corpus: its folder and its layout."""
    parser.add_argument("corpus", type=path_argument, metavar="CORPUS", help="folder of the corpus")
    add_layout(parser)


def add_manifest(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb that makes a manifest of mixtures."""
    parser.add_argument(
        "-o", "--out", type=path_argument, required=True, metavar="MANIFEST", help="manifest to write (.jsonl)"
    )
    parser.add_argument(
        "--audio", type=path_argument, metavar="DIR", help="also write the mixtures and sources as audio"
    )
    add_overwrite(parser)


def check_out(args: argparse.Namespace) -> Unfinished:
    """Refuse what is there already, before the work; OutputError names it.

    What the same command has left when it was stopped is none of that: it is returned, to be gone on with.
    """
    from sepvae.cli.resuming import unfinished
    from sepvae.files import check_free

    batch = unfinished(args, [], args.out.parent)
    for path in (args.out, args.audio):
        if path is not None:
            check_free(path, overwrite=args.overwrite or batch.may_replace(args.out.name))
    return batch


def write_out(args: argparse.Namespace, batch: Unfinished, manifest: Manifest, root: Path) -> None:
    """Write the audio of a manifest of mixtures when asked for, then the manifest, and say how many there are."""
    from collections import Counter

    from sepvae.mixing.manifest import write_manifest
    from sepvae.mixing.mixture import write_mixtures

    with batch:
        if args.audio:
            batch.begin(args.out.name)
            write_mixtures(manifest, root, args.audio, batch=batch, overwrite=args.overwrite)
        write_manifest(args.out, manifest)
        batch.clear()
    counts = Counter(mixture.split for mixture in manifest.mixtures)
    sys.stdout.write(f"{args.out}: {', '.join(f'{count} {split}' for split, count in counts.items())}\n")


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    corpus = verbs.add_parser(
        "corpus",
        help="make, fetch, join, list and check corpora",
        description="Make, fetch, join, list and check corpora of speech, and list corpora of mixtures that are ready.",
    )
    actions = corpus.add_subparsers(dest="action", metavar="ACTION", required=True)

    demo = actions.add_parser("demo", help="synthesise a small corpus in the layout of TIMIT", **options)
    demo.add_argument("folder", type=path_argument, metavar="DIR", help="folder to make")
    number = whole_number("speakers", 2, 1000)
    demo.add_argument(
        "--speakers",
        type=number,
        default=16,
        metavar="N",
        help="number of speakers, half of them female",
    )
    add_jobs(demo, what="sentences spoken at the same time")
    demo.set_defaults(run=_demo)

    fetch = actions.add_parser("fetch", help="download a free corpus", **options)
    fetch.add_argument("name", **choice(["timit-sample"], "corpus to fetch"), help="NLTK's part of TIMIT (CC BY-NC-SA)")
    fetch.add_argument("folder", type=path_argument, metavar="DIR", help="folder to make")
    fetch.set_defaults(run=_fetch)

    join = actions.add_parser(
        "join",
        help="make one corpus of several",
        description="Make one corpus of several: a folder of speakers with links to their recordings, so that a model "
        "learns from all of them. The speaker 19 of libri=DIR is libri-19 there; of two folders of one corpus, give "
        "both the same name.",
        **options,
    )
    join.add_argument("corpora", nargs="+", type=_named_folder, metavar="NAME=DIR", help="a corpus, and its name")
    join.add_argument("-o", "--out", type=path_argument, required=True, metavar="DIR", help="folder to make")
    join.set_defaults(run=_join)

    for name, run, text in (
        ("list", _list, "list the utterances of a corpus"),
        ("validate", _validate, "report missing, broken, clipped, silent and duplicate files, leaks and alignments"),
    ):
        action = actions.add_parser(name, help=text, **options)
        add_corpus(action)
        action.add_argument("--json", action="store_true", help="for programs: JSON on stdout")
        action.set_defaults(run=run)

    mixtures = actions.add_parser(
        "mixtures",
        help="list the ready mixtures of WSJ0-2mix or Libri2Mix",
        description="Write a manifest of mixtures that are there already, as WSJ0-2mix, WHAM! and Libri2Mix have them: "
        "DIR holds tr, cv and tt or train-100, dev and test, each with mix or mix_clean, s1 and s2.",
        **options,
    )
    mixtures.add_argument("folder", type=path_argument, metavar="DIR", help="folder of the mixtures, such as wav8k/min")
    add_manifest(mixtures)
    mixtures.set_defaults(run=_mixtures)


def _demo(args: argparse.Namespace) -> int:
    from sepvae.corpora.demo import make_demo_corpus

    make_demo_corpus(args.folder, speakers=args.speakers, jobs=args.jobs)
    sys.stdout.write(f"{args.folder}\n")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from sepvae.corpora.fetch import fetch_timit_sample

    sys.stdout.write(f"{fetch_timit_sample(args.folder)}\n")
    return 0


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9][\w.]*", name) or not folder:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give NAME=DIR, such as libri=LibriSpeech; a name has letters, digits, _ and ."
        )
    return name, path_argument(folder)


def _join(args: argparse.Namespace) -> int:
    from sepvae.corpora.join import join_corpora
    from sepvae.corpora.records import open_corpus
    from sepvae.files import check_free

    check_free(args.out, overwrite=False)
    joined = join_corpora(args.out, [(name, open_corpus(folder)) for name, folder in args.corpora])
    sys.stdout.write(f"{args.out}: {joined.recordings} recordings of {joined.speakers} speakers\n")
    return 0


def _list(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from sepvae.corpora.records import has_lost, open_corpus
    from sepvae.files import to_json

    corpus = open_corpus(args.corpus, args.layout)
    # Before the first line: a bar on the terminal would be in their way.
    for utterance in list(corpus.utterances()):
        if args.json:
            sys.stdout.write(to_json(asdict(utterance)) + "\n")
        else:
            split, text = utterance.split or "-", utterance.text or ""
            line = f"{utterance.id:24} {utterance.sex:8} {split:8} {utterance.duration_s:7.2f} s  {text}"
            sys.stdout.write(line.rstrip() + "\n")
    for problem in corpus.problems:
        sys.stderr.write(f"sepvae: {problem.message}\n")
    return 1 if has_lost(corpus.problems) else 0


def _validate(args: argparse.Namespace) -> int:
    from sepvae.corpora.records import open_corpus
    from sepvae.corpora.validate import validate
    from sepvae.files import to_json

    report = validate(open_corpus(args.corpus, args.layout))
    sys.stdout.write(to_json(report.to_json(), indent=2) + "\n" if args.json else report.text() + "\n")
    return 0 if report.ok else 1


def _mixtures(args: argparse.Namespace) -> int:
    from sepvae.mixing.ready import read_ready_mixtures

    batch = check_out(args)
    write_out(args, batch, read_ready_mixtures(args.folder), args.folder)
    return 0

"""`sepvae augment fit`: the nuisance basis of a model of speech segments, stored with the model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sepvae.cli.arguments import add_device, add_layout, add_model, path_argument


def add(actions: Any, options: dict[str, Any]) -> None:
    """Add the action to those of `sepvae augment`."""
    parser = actions.add_parser(
        "fit",
        help="learn how the utterances of a corpus differ in voice and channel",
        description="Code every utterance of some corpora with a model of speech segments (from 'sepvae train "
        "--speech'), and store their nuisance vectors and principal directions with the model. Give the speech that "
        "will be augmented, and speech like that it is to become.",
        **options,
    )
    parser.add_argument("corpora", type=path_argument, nargs="+", metavar="CORPUS", help="folders of corpora")
    add_model(parser, "model folder, which the basis is stored in", required=True)
    add_layout(parser, "the corpora")
    add_device(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first file that cannot be used")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit the basis and say what was found."""
    from sepvae.augmented.fit import fit_and_save
    from sepvae.corpora.records import open_corpus
    from sepvae.errors import ConfigError
    from sepvae.estimator.shipped import find_shipped

    if not args.model.exists() and find_shipped(str(args.model)):
        raise ConfigError(
            f"{args.model}: comes with sepvae, and nothing is stored with it: copy it first, 'sepvae model export "
            f"{args.model} -o DIR', and give that"
        )
    corpora = [open_corpus(folder, args.layout) for folder in args.corpora]
    # Readers know what they had to leave out when all has been read.
    speech = [(corpus.root, list(corpus.utterances())) for corpus in corpora]
    found = {corpus.root: corpus.problems for corpus in corpora}
    basis, problems = fit_and_save(args.model, speech, found=found, device=args.device, strict=args.strict)
    share = (basis.std**2).cumsum() / max((basis.std**2).sum(), 1e-30)
    n_most = int((share < 0.9).sum()) + 1
    left_out = f"; {len(problems)} files left out (nuisance.json)" if problems else ""
    sys.stdout.write(
        f"{len(basis.vectors)} utterances, {len(basis.std)} latents; {n_most} directions hold 90 % of the variance"
        f"{left_out}\n"
    )
    return 1 if problems else 0

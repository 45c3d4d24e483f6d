"""`sepvae model`: the models that come with sepvae, what a model folder says of itself, and smaller copies of it."""

from __future__ import annotations

import argparse
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from sepvae.cli.arguments import add_overwrite, choice, comma_list, path_argument

_MB = 1e6


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    model = verbs.add_parser(
        "model",
        help="list, show and export models",
        description="List the models that come with sepvae, show what a model folder says of itself, and make smaller "
        "copies of models.",
    )
    actions = model.add_subparsers(dest="action", metavar="ACTION", required=True)

    one = actions.add_parser("list", help="list the models that come with sepvae", **options)
    one.add_argument("--json", action="store_true", help="for programs: JSON on stdout")
    one.set_defaults(run=_list)

    show = actions.add_parser("show", help="print the card of a model", **options)
    show.add_argument("model", type=path_argument, metavar="MODEL", help="a name, or a model folder")
    show.set_defaults(run=_show)

    export = actions.add_parser(
        "export",
        help="copy a model in another form",
        description="Copy a model with weights of another size: half precision has half of it, int8 a quarter. As "
        "FILE.onnx it is one file that onnxruntime can run: 'sepvae separate -m FILE.onnx' without PyTorch.",
        **options,
    )
    export.add_argument("model", type=path_argument, metavar="MODEL", help="a name, or a model folder")
    export.add_argument(
        "-o", "--out", type=path_argument, required=True, metavar="DIR", help="model folder, or FILE.onnx"
    )
    export.add_argument(
        "--onnx", action="store_true", help="write the graph into the model folder too, for use without PyTorch"
    )
    export.add_argument(
        "--weights", **choice(("float32", "float16", "int8")), default="int8", help="how they are stored"
    )
    export.add_argument("--as", dest="known_as", type=_pinned, metavar="NAME@VERSION", help="what it is to be called")
    export.add_argument(
        "--sources", type=comma_list(str), metavar="NAMES", help="what its outputs are to be called, in their order"
    )
    export.add_argument(
        "--card", type=path_argument, metavar="FILE", help="YAML file of headings and texts for its card"
    )
    add_overwrite(export)
    export.set_defaults(run=_export)


def _pinned(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"([\w-]+)@([1-9]\d*)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r}: give a name and a version, such as any-talkers@1")
    return match[1], int(match[2])


def _facts(folder: Path) -> dict[str, str]:
    """Return what a model folder says of itself, from its files alone: no network is built, and torch not needed."""
    from sepvae.errors import CheckpointError
    from sepvae.estimator.folder import count_weights
    from sepvae.estimator.folder_names import CONFIG, PROVENANCE, WEIGHTS
    from sepvae.estimator.shipped import read_card
    from sepvae.files import read_json

    path, provenance = folder / WEIGHTS, folder / PROVENANCE
    config = read_json(folder / CONFIG)
    try:
        name = f"{config['name']}@{config['version']}" if config.get("name") else str(folder)
        rate, stored = config["estimator"]["frontend"]["sample_rate"], config.get("weights", "float32")
        facts = {
            "name": name,
            "sources": ", ".join(config["sources"]),
            "sample rate": f"{rate} Hz",
            "weights": f"{count_weights(path):,} ({stored}, {path.stat().st_size / _MB:.1f} MB)",
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONFIG}: is no model of this version of sepvae: train it anew") from error
    return facts | read_card(read_json(provenance) if provenance.is_file() else {})


def _list(args: argparse.Namespace) -> int:
    from sepvae.estimator.shipped import shipped_models
    from sepvae.files import to_json

    rows = [_facts(folder) for folder in shipped_models().values()]
    if args.json:
        sys.stdout.write(to_json(rows, indent=2) + "\n")
        return 0
    for row in rows:
        width = max(map(len, row))
        sys.stdout.write("".join(f"{key:{width}}  {value}\n" for key, value in row.items()) + "\n")
    if not rows:
        sys.stdout.write("no model comes with this copy of sepvae: train one with 'sepvae train'\n")
    return 0


def _show(args: argparse.Namespace) -> int:
    from sepvae.estimator.folder_names import CARD
    from sepvae.estimator.shipped import find_shipped
    from sepvae.files import read_text

    folder = None if args.model.exists() else find_shipped(str(args.model))
    if folder is None:
        from sepvae.estimator.checkpoint import load_checkpoint
        from sepvae.estimator.folder import find_model_folder

        folder = find_model_folder(args.model)
        # What a folder of somebody else's says is shown when it is what it says.
        load_checkpoint(folder)
    if (folder / CARD).is_file():
        sys.stdout.write(read_text(folder / CARD))
        return 0
    sys.stdout.write("".join(f"{key}: {value}\n" for key, value in _facts(folder).items()))
    return 0


def _export(args: argparse.Namespace) -> int:
    from sepvae.estimator.checkpoint import load_checkpoint, save_checkpoint
    from sepvae.estimator.exported import exported
    from sepvae.files import check_free
    from sepvae.portable.export import export_beside, export_file

    check_free(args.out, overwrite=args.overwrite)
    card = _read_card(args.card) if args.card else None
    found = load_checkpoint(args.model)
    made = exported(found, weights=args.weights, known_as=args.known_as, sources=args.sources, card=card)
    if args.out.suffix == ".onnx":
        export_file(args.out, made)
    else:
        save_checkpoint(args.out, made, beside=partial(export_beside, checkpoint=made) if args.onnx else None)
    sys.stdout.write(f"{args.out}\n")
    return 0


def _read_card(path: Path) -> dict[str, str]:
    from sepvae.errors import ConfigError
    from sepvae.files import read_text
    from sepvae.yaml_text import parse_yaml

    card = parse_yaml(read_text(path), str(path))
    if not isinstance(card, dict) or not all(isinstance(value, str) for value in card.values()):
        raise ConfigError(f"{path}: give headings with a text each, such as 'licence: CC BY 4.0'")
    return {str(heading): text for heading, text in card.items()}

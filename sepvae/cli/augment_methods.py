"""`sepvae augment methods`: what an utterance can be changed by, and the settings of each with their defaults."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(actions: Any, options: dict[str, Any]) -> None:
    """Add the action to those of `sepvae augment`."""
    parser = actions.add_parser(
        "methods",
        help="list the methods of augmentation and their settings",
        description="List what 'sepvae augment run --methods' can be given. Settings are changed by --set METHOD.KEY="
        "VALUE, or stand under the name of their method in the file of --config.",
        **options,
    )
    parser.add_argument("--json", action="store_true", help="for programs: names, and JSON schemas of the settings")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print each method with the first sentence of what is said of it, and its settings."""
    from sepvae.augmentation import AUGMENTATIONS
    from sepvae.augmentation.contract import augmentation_class
    from sepvae.files import to_json

    kinds = {name: augmentation_class(name) for name in AUGMENTATIONS}
    if args.json:
        schemas = {name: kind.Config.model_json_schema() for name, kind in kinds.items()}
        sys.stdout.write(to_json(schemas, indent=2) + "\n")
        return 0
    for name, kind in kinds.items():
        summary = (kind.__doc__ or "").strip().splitlines()[0]
        model = " (has a model)" if kind.needs_model else ""
        sys.stdout.write(f"{name}{model}: {summary}\n")
        for key, value in kind.Config().model_dump(mode="json").items():
            sys.stdout.write(f"    {name}.{key} = {to_json(value)}\n")
    return 0

"""What several verbs share: a config from a YAML file and `--set key=value`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

C = TypeVar("C", bound="BaseModel")


def add_settings(parser: argparse._ActionsContainer, what: str) -> None:
    """Add `--config` and `--set`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"YAML file with settings of {what}")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change one setting; repeat"
    )


def seed(text: str) -> int:
    """Read a seed of the command line; negative numbers are refused, as in recipes."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative: give 0 or more")
    return number


def read_settings(
    args: argparse.Namespace,
    config_class: type[C],
    *,
    base: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> C:
    """Return the config from the file, the overrides and the defaults; ConfigError names what is wrong.

    `base` is what they are laid over when there is no file and no override chooses another kind of component; `options`
    of the command line come over the file and under the overrides.
    """
    from sepvae.config import parse_config
    from sepvae.recipe.compose import merge, parse_override, read_mapping

    data = read_mapping(args.config) if args.config else {}
    chosen = any(text.partition("=")[0].strip().endswith(".kind") for text in args.overrides)
    if base is not None and not args.config and not chosen:
        data = dict(base)
    data = merge(data, options or {})
    for text in args.overrides:
        data = merge(data, parse_override(text))
    return parse_config(config_class, data, where=str(args.config or "--set"))

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

    `base` is what they are laid over unless they choose the kind of model or objective, which its settings are of;
    `options` of the command line come over the file and under the overrides.
    """
    from sepvae.config import parse_config
    from sepvae.recipe.compose import merge, parse_override, read_mapping

    data = read_mapping(args.config) if args.config else {}
    data = merge(data, options or {})
    for text in args.overrides:
        data = merge(data, parse_override(text))
    chosen = any("kind" in part for name in ("model", "objective") if isinstance(part := data.get(name), dict))
    if base is not None and not chosen:
        data = merge(dict(base), data)
    return parse_config(config_class, data, where=str(args.config or "--set"))

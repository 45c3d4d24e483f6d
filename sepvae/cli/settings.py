"""What several verbs share: a config from a YAML file and `--set key=value`, names of a table, seeds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sepvae.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

C = TypeVar("C", bound="BaseModel")


def add_settings(parser: argparse._ActionsContainer, what: str) -> None:
    """Add `--config` and `--set`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"YAML file with settings of {what}")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change one setting; repeat"
    )


def checked(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return the type of an argument that is a name of a table: what `check` refuses is wrong usage."""

    def parse(name: str) -> str:
        try:
            return check(name)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


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
    usual: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> C:
    """Return the config of `--config` and `--set` over a base, with `options` of the command line between the two."""
    from sepvae.settings import compose

    return compose(config_class, base=base, usual=usual, file=args.config, options=options, overrides=args.overrides)

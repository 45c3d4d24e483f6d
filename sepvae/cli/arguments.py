"""Arguments that several verbs share, and the config that comes of `--config`, `--set` and options of one setting."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sepvae.corpora import CORPORA
from sepvae.errors import ConfigError
from sepvae.tables import Table, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel

C = TypeVar("C", bound="BaseModel")
T = TypeVar("T")
# Of help that is made on demand.
_WIDTH = 80
_MAX_JOBS = 1024
# Where the values of options that stand for a setting are kept, before its key and the name of the option.
_SETTING = "setting "

# Of a file or folder, in bytes: no system that sepvae runs on takes more.
_LONGEST_NAME = 255


class _HelpOnDemand(argparse.Action):
    """Shows the help, with what is slow to find out below it."""

    def __init__(self, *names: Any, describe: Callable[[argparse.Namespace], Iterable[str]], **options: Any) -> None:
        super().__init__(*names, **options)
        self._describe = describe

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        parser.epilog = "\n".join(self._describe(namespace))
        parser.print_help()
        parser.exit()


def add_help(parser: argparse.ArgumentParser, describe: Callable[[argparse.Namespace], Iterable[str]]) -> None:
    """Add `--help` to a parser without it; `describe` returns the lines below, and is called when they are shown."""
    parser.add_argument(
        "-h",
        "--help",
        action=_HelpOnDemand,
        describe=describe,
        nargs=0,
        default=argparse.SUPPRESS,
        help="show this help",
    )


def describe_settings(title: str, settings: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield lines of help: a title, and settings with their values as `--set` takes them."""
    yield textwrap.fill(title, _WIDTH, subsequent_indent=" " * 6)
    shown = " ".join(f"{key}={value}" for key, value in flat(settings, above))
    # A value is not broken at its hyphens.
    yield textwrap.fill(shown, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)


def flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings by keys with dots, and their values as text without spaces."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            yield f"{above}{key}", value if isinstance(value, str) else text


def add_settings(parser: argparse._ActionsContainer, what: str, *, keys: str = ", see below") -> None:
    """Add `--config` and `--set`; `keys` says where the settings are listed."""
    parser.add_argument("--config", type=path_argument, metavar="FILE", help=f"YAML file with settings of {what}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help=f"change one of the settings{keys}; repeat",
    )


def add_layout(parser: argparse._ActionsContainer, of: str = "the corpus") -> None:
    """Add `--layout`."""
    parser.add_argument(
        "--layout",
        type=checked(CORPORA.check),
        metavar="NAME",
        help=f"layout of {of}, recognised when not given: {', '.join(CORPORA)}",
    )


class _Once(argparse.Action):
    """Takes one value, and no second one in its place without a word."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} {values}: was given already, and one is taken")
        setattr(namespace, self.dest, values)


def add_model(parser: argparse._ActionsContainer, text: str, *, required: bool = False) -> None:
    """Add `--model`, one folder."""
    parser.add_argument("-m", "--model", action=_Once, type=path_argument, required=required, metavar="DIR", help=text)


def add_device(parser: argparse._ActionsContainer, default: str = "auto", more: str = "") -> None:
    """Add `--device`."""
    parser.add_argument("-d", "--device", default=default, help=f"auto, cpu, cuda, cuda:N or mps{more}")


def add_jobs(parser: argparse._ActionsContainer, what: str = "processes") -> None:
    """Add `--jobs`, by default as many as there are cores."""
    number = whole_number("processes", 1, _MAX_JOBS)
    parser.add_argument(
        "-j",
        "--jobs",
        type=number,
        default=os.cpu_count() or 1,
        metavar="N",
        help=what,
    )


def path_argument(text: str) -> Path:
    """Return the path that an argument is: nothing, as of a variable that a script has not set, is none.

    Example:
        >>> path_argument("a/b").name
        'b'
    """
    if not text:
        raise argparse.ArgumentTypeError("is empty: give a path ('.' is the folder that you are in)")
    path = Path(text)
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise argparse.ArgumentTypeError(f"{text:.30}…: a name of more than {_LONGEST_NAME} bytes is in it: shorten it")
    return path


def whole_number(of: str, least: int, most: int) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number `of` something, with bounds as those of settings have.

    Example:
        >>> whole_number("processes", 1, 8)("3")
        3
    """

    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{text:.30}: give {least} or more")
        if number > most:
            raise argparse.ArgumentTypeError(f"{text:.30}: give {most} or less")
        return number

    # argparse names a type in its message about a text that is no number.
    parse.__name__ = f"number of {of}"
    return parse


def add_overwrite(parser: argparse._ActionsContainer, what: str = "replace outputs that exist") -> None:
    """Add `--overwrite`."""
    parser.add_argument("--overwrite", action="store_true", help=what)


def add_seed(parser: argparse._ActionsContainer, of: str) -> None:
    """Add `--seed`."""
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help=f"seed of {of}")


def checked(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return the type of an argument that is a name of a table: what `check` refuses is wrong usage."""

    def parse(name: str) -> str:
        try:
            return check(name)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def choice(names: Table | Sequence[str], what: str = "", *, metavar: str = "") -> dict[str, Any]:
    """Return how `add_argument` takes one of some names: listed in help, and with the closest one for a wrong one.

    Args:
        names: a table, or a list of names.
        what: a name of a list in a word, for errors.
        metavar: in place of the names, where they are listed elsewhere.
    """

    def check(name: str) -> str:
        if name not in names:
            raise ConfigError(unknown(what, name, names))
        return name

    parse = checked(names.check if isinstance(names, Table) else check)
    return {"type": parse, "metavar": metavar or f"{{{','.join(names)}}}"}


def comma_list(check: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Return the type of an argument that is a list, `A,B`, whose entries `check` reads.

    Example:
        >>> comma_list(int)("0, 2")
        [0, 2]
    """

    def parse(text: str) -> list[T]:
        if not (parts := [part.strip() for part in text.split(",") if part.strip()]):
            raise argparse.ArgumentTypeError("is empty: give one, or several with commas between them")
        return [check(part) for part in parts]

    # argparse names a type in its message about a text that is none of it.
    parse.__name__ = f"list of {check.__name__}"
    return parse


def add_setting(parser: argparse._ActionsContainer, *names: str, config: str, key: str, **options: Any) -> None:
    """Add an option that stands for one setting, which `read_settings` lays over the file.

    Args:
        parser: what the option is added to.
        names: of the option.
        config: of the setting, "module:class"; the help shows the default that stands there.
        key: of the setting, dotted, such as `output.format`.
        options: as of `add_argument`.
    """
    action = parser.add_argument(*names, dest=f"{_SETTING}{key} {names[0]}", default=None, **options)
    # Looked up when help is asked for: configs are slow to import.
    action.default_of_setting = lambda: _default(config, key)  # type: ignore[attr-defined]


def _default(config: str, key: str) -> Any:
    """Return the default of a setting; None where it has none, or belongs to something that is not chosen yet."""
    module, _, name = config.partition(":")
    fields = getattr(importlib.import_module(module), name).model_fields
    first, *rest = key.split(".")
    value = fields[first].get_default(call_default_factory=True) if first in fields else None
    for part in rest:
        value = getattr(value, part, None)
    return value


def seed(text: str) -> int:
    """Read a seed of the command line; negative numbers are refused, as in recipes."""
    from sepvae.limits import MAX_SEED

    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text:.30} is negative: give 0 or more")
    if number > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text:.30} is more than {MAX_SEED}")
    return number


def read_settings(
    args: argparse.Namespace,
    config_class: type[C],
    *,
    base: Mapping[str, Any] | None = None,
    usual: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> C:
    """Return the config of `--config` and `--set` over a base, with options of the command line between the two.

    `options` are laid under those of `add_setting`, and `names` are theirs, by the keys that they stand for.
    """
    from sepvae.settings import compose, merge, nested

    given, named = dict(options or {}), dict(names or {})
    for place, value in vars(args).items():
        if place.startswith(_SETTING):
            key, _, name = place.removeprefix(_SETTING).partition(" ")
            named[key] = name
            if value is not None:
                given = merge(given, nested(key.split("."), value))
    return compose(
        config_class, base=base, usual=usual, file=args.config, options=given, overrides=args.overrides, names=named
    )

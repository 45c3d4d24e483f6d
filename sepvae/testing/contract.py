"""What a check is: a law that an entry of a table is held to, shown on an example that the check makes itself."""

from __future__ import annotations

import inspect
import random
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol, cast

from sepvae.errors import ConfigError, MissingExtra
from sepvae.plugins import table
from sepvae.settings import Choice

Settings = Mapping[str, Any]
Law = Callable[..., None]
DEFAULTS: Settings = MappingProxyType({})

# A context in which an error of some kind is raised, whose text matches a pattern.
raises = unittest.TestCase().assertRaisesRegex


class Check(Protocol):
    """A law about an entry of a table, by its name, under settings with which it is small and quick.

    Its docstring says the law. It raises AssertionError, or what the entry itself raises, when the entry breaks it, and
    SkipTest when it does not apply: to no settings, where `applies` says so, or to these.
    """

    __name__: str

    def applies(self, name: str) -> bool:
        """Say whether the law is about entries such as this one."""

    def __call__(self, name: str, settings: Settings = DEFAULTS) -> None:
        """Check the entry."""


def expect(holds: bool, came: str) -> None:
    """Raise AssertionError with what came when a promise does not hold; unlike assert, also under `python -O`."""
    if not holds:
        raise AssertionError(came)


def only(applies: Callable[[Any], bool], otherwise: str) -> Callable[[Law], Law]:
    """Mark a law that is about some entries alone, as a function of the entry says, and what the others are."""

    def mark(law: Law) -> Law:
        cast("Any", law).only = applies, otherwise
        return law

    return mark


def as_check(shelf: str, law: Law) -> Check:
    """Make a check of a function of a name, and of settings where the entries of the shelf have some."""
    takes_settings = len(inspect.signature(law).parameters) > 1
    concerns, otherwise = getattr(law, "only", (None, ""))

    def applies(name: str) -> bool:
        return concerns is None or bool(concerns(table(shelf).resolve(name)))

    def check(name: str, settings: Settings = DEFAULTS) -> None:
        table(shelf).check(name)
        if not applies(name):
            raise unittest.SkipTest(otherwise)
        if settings and not takes_settings:
            raise ConfigError(f"{shelf} {name}: has no settings, received {', '.join(settings)}: leave them out")
        try:
            with _state_kept():
                law(*((name, settings) if takes_settings else (name,)))
        except MissingExtra as error:
            raise unittest.SkipTest(str(error)) from error
        except Exception as error:
            if not isinstance(error, unittest.SkipTest):
                error.add_note(f"{shelf} {name} breaks the law: {inspect.getdoc(law)}")
            raise

    for key in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(check, key, getattr(law, key))
    checked = cast("Any", check)
    checked.applies = applies
    return cast("Check", checked)


@contextmanager
def _state_kept() -> Iterator[None]:
    """Compute with one thread, and leave the generators of the process as they were."""
    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    torch.set_num_threads(1)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.random.set_rng_state(states[2])
        torch.set_num_threads(states[3])


def check_settings(choices: type[Choice], name: str, settings: Settings) -> None:
    """Raise AssertionError when the settings of an entry, chosen by a class of choices, are not kept or not strict."""
    own = choices.table.resolve(name).Config
    expect(own.model_config.get("extra") == "forbid", f"{own.__name__} takes unknown keys: derive it from Config")
    own.model_json_schema()
    config = choices.of(name, settings).config()
    expect(own.model_validate_json(config.model_dump_json()) == config, f"{config} is another one behind JSON")
    choice = choices(kind=name, settings=dict(settings))
    expect(choices.model_validate_json(choice.model_dump_json()) == choice, f"{choice} is another one behind JSON")
    expect(choice.config() == config, f"{choice.config()} in a recipe, {config} from Python")
    expect(choice.settings == config.model_dump(mode="json"), f"defaults are not filled in: {choice.settings}")
    with raises(ConfigError, f"{choices.table.what} {name}: unknown key 'mistaken'"):
        choices.of(name, {**settings, "mistaken": 1})

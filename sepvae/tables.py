"""Tables of names: the only way a name in a config or on the command line becomes code.

The table of a room is a literal in its `__init__.py`, name -> "module:attribute", resolved on use. Data cannot add to
it; Python can, by `sepvae.register`. What is allowed, offered on the command line, and named in errors follows from it.
"""

from __future__ import annotations

import difflib
import importlib
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sepvae.errors import ConfigError

# Of a name that is compared with the choices.
_LONGEST = 100
# Modules whose entries have been looked up, where somebody wants to know.
_providers: ContextVar[set[str] | None] = ContextVar("providers", default=None)


def unknown(what: str, name: object, choices: Iterable[str]) -> str:
    """Return the sentence about a name that is not among the choices, with the closest one.

    Example:
        >>> unknown("mask", "weiner", ["ratio", "wiener"])
        "unknown mask 'weiner': did you mean 'wiener'? choose one of ratio, wiener"
    """
    names = list(choices)
    close = difflib.get_close_matches(str(name)[:_LONGEST], names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {reprlib.repr(name)}: {hint}choose one of {', '.join(names)}"


@contextmanager
def noting_providers() -> Iterator[set[str]]:
    """Give a set to which every name that is looked up in the block adds the module that has registered it."""
    found: set[str] = set()
    token = _providers.set(found)
    try:
        yield found
    finally:
        _providers.reset(token)


class Table(Mapping[str, str]):
    """The entries of a room by name. As metadata of a field, `Annotated[str, TABLE]`, it allows its names and no other.

    Args:
        what: an entry in a word, for errors, such as `mask`.
        entries: name -> "module:attribute".

    Example:
        >>> table = Table("join", {"path": "os.path:join"})
        >>> table.resolve("path")("a", "b")
        'a/b'
    """

    def __init__(self, what: str, entries: Mapping[str, str]) -> None:
        self.what, self._entries = what, dict(entries)
        self._registered: dict[str, Any] = {}

    def __getitem__(self, name: str) -> str:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    # A table is itself and no other, whatever it holds: types that it is metadata of are compared and hashed.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def check(self, name: str, *, beside: Iterable[str] = ()) -> str:
        """Return the name; ConfigError with the choices and the closest one when it is not in the table or `beside`."""
        if name in (others := [*beside]):
            return name
        if name not in self._entries:
            raise ConfigError(unknown(self.what, name, [*self, *others]))
        if (asked := _providers.get()) is not None and (module := self.provider(name)) is not None:
            asked.add(module)
        return name

    def resolve(self, name: str) -> Any:
        """Return what a name stands for; ConfigError as of `check`."""
        entry = self._entries[self.check(name)]
        if name in self._registered:
            return self._registered[name]
        module, _, attribute = entry.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def register(self, name: str, entry: Any) -> None:
        """Add an entry from Python; a second registration by the same module takes the place of its first.

        Raises:
            ConfigError: the name is taken, or is no name for a file and a key.
        """
        where = f"{entry.__module__}:{entry.__qualname__}"
        if not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"{self.what} {name!r}: letters, digits, - and _ may be in a name")
        if name in self._entries and self.provider(name) != entry.__module__:
            raise ConfigError(f"{self.what} {name!r}: is {self._entries[name]} already: choose another name")
        self._entries[name], self._registered[name] = where, entry

    def provider(self, name: str) -> str | None:
        """Return the module that has registered a name, None for entries of sepvae's own."""
        return self._entries[name].partition(":")[0] if name in self._registered else None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), "enum": list(self)}

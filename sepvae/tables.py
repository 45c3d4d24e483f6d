"""Closed tables name -> "module:Class": the only way a name in a config or on the command line becomes code."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from sepvae.errors import ConfigError


def resolve(table: Mapping[str, str], name: str, *, what: str) -> Any:
    """Return what `name` stands for in a closed table.

    Raises:
        ConfigError: the name is not in the table; the message lists the choices and the closest one.
    """
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"unknown {what} {name!r}: {hint}choose one of {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)

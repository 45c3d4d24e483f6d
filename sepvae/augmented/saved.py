"""What a run has written for itself, read back: damage names the file and says how to start again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepvae.errors import InputError
from sepvae.files import read_json

RESTART = "pass --overwrite to start again"


def damaged(path: Path, what: str) -> InputError:
    """Return the error about a file that is not as the run wrote it."""
    return InputError(f"{path}: damaged, or of another version of sepvae ({what}): {RESTART}")


def checked(value: Any, fields: Mapping[str, type], path: Path) -> dict[str, Any]:
    """Return a JSON object of a file when all `fields` are there with their types; InputError when not."""
    if not isinstance(value, dict):
        raise damaged(path, f"expected a JSON object, received {value!r:.40}")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise damaged(path, f"{name} is {value.get(name)!r:.40}" if name in value else f"{name} is missing")
    return value


def read_saved(path: Path, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return the JSON object that a file holds, as `checked` does."""
    try:
        value = read_json(path)
    except InputError as error:
        raise InputError(f"{error}: {RESTART}") from error
    return checked(value, fields, path)

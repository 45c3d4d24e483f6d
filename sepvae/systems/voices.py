"""What a system that names speakers leaves in its folder: whom it knows, and how often it names the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sepvae.files import read_json, write_json

_FILE = "voices.json"


class Voices(NamedTuple):
    """The speakers that a system knows, and of how many of their clean validation utterances it named them rightly."""

    speakers: tuple[str, ...]
    right: int
    of: int


def write_voices(folder: Path, voices: Voices) -> None:
    """Write what a system leaves in its folder."""
    write_json(folder / _FILE, voices._asdict())


def read_voices(folder: Path) -> Voices | None:
    """Return what a system has left in its folder, None when it names nobody."""
    if not (folder / _FILE).is_file():
        return None
    found: dict[str, Any] = read_json(folder / _FILE)
    return Voices(tuple(found["speakers"]), found["right"], found["of"])

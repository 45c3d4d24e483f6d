"""Looks at the folders of a corpus for its layout, and for tables beside it; its files are those of `inputs.Tree`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders directly in `folder`, sorted by name; none when it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    return [folder / name for name in names]


def file_names(folder: Path) -> list[str]:
    """Return the names of the visible files directly in `folder`; none when it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
    except OSError:
        return []


def find_table(root: Path, files: Iterable[str], name: str) -> Path | None:
    """Return the file called `name` (any letter case) in the corpus, or in the two folders above it and their `doc`.

    The folders above are looked at because a user may give one subset of a corpus.
    """
    for path in files:
        if path.rpartition("/")[2].casefold() == name:
            return root / path
    above = root.resolve().parents[:2]
    for folder in [place for up in above for place in (up, up / "DOC", up / "doc")]:
        for entry in file_names(folder):
            if entry.casefold() == name:
                return folder / entry
    return None

"""The files and folders of a corpus: what is visible, each once, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder under `root`, as the relative prefix of its files (`` or `a/b/`), and the names of its files.

    Names that start with a dot (hidden files, what copying from a Mac leaves) are passed over. Links to folders are
    followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            inside.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        place = os.path.relpath(folder, root).replace(os.sep, "/")
        yield "" if place == "." else place + "/", [name for name in names if not name.startswith(".")]


def list_files(root: Path) -> list[str]:
    """Return the visible files under `root` as sorted relative paths with forward slashes."""
    return sorted(prefix + name for prefix, names in walk(root) for name in names)


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
        if folder.is_dir():
            for entry in sorted(folder.iterdir()):
                if entry.name.casefold() == name and entry.is_file():
                    return entry
    return None

"""The list of what sepvae wrote into a folder of outputs: by it no run takes its own outputs, or others', for inputs.

One JSON text a line, a path below the folder with forward slashes; a path stands there before its file does.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sepvae.errors import InputError
from sepvae.files import make_folder, output_error, read_bytes
from sepvae.parts import append_line
from sepvae.reading import check_ordinary

LIST_NAME = "sepvae-outputs.jsonl"


def listed_outputs(folder: Path) -> frozenset[str]:
    """Return the paths of what was written below a folder; none where there is no list. Lines that are none count not.

    Example:
        >>> listed_outputs(Path("no such folder"))
        frozenset()
    """
    path = folder / LIST_NAME
    if not os.path.lexists(path):
        return frozenset()
    try:
        lines = read_bytes(path).split(b"\n")
    except InputError:
        return frozenset()
    return frozenset(text for text in map(_text, lines) if text)


def _text(line: bytes) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


@contextlib.contextmanager
def folder_of_outputs(path: Path) -> Iterator[None]:
    """Make a folder for what the block writes; when the block fails and nothing is in it, it goes again."""
    make_folder(path)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.rmdir()
        raise


class OutputList:
    """The list of a folder of outputs, which grows with them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = set(listed_outputs(folder))

    def add(self, paths: Iterable[Path]) -> None:
        """Add what is about to be written below the folder.

        Raises:
            OutputError: the list cannot be written.
        """
        new = [path.relative_to(self._folder).as_posix() for path in paths]
        new = [path for path in new if path not in self._known]
        if not new:
            return
        target = make_folder(self._folder) / LIST_NAME
        try:
            check_ordinary(target)
            lines = b"".join(json.dumps(path).encode("ascii") + b"\n" for path in new)
            # Nothing is ever cut off: somebody else may be adding to the same list.
            with target.open("a+b", buffering=0) as file:
                append_line(file.fileno(), lines)
        except OSError as error:
            raise output_error(target, error) from error
        self._known.update(new)

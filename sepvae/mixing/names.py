"""Names of files in a manifest: any that a file can have, so long as it stays inside its folder and runs nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated

from pydantic import PlainValidator

from sepvae.errors import ConfigError
from sepvae.inputs import name_bytes


def _text(value: object) -> str:
    # Not pydantic's own text, which is UTF-8: a file name need not be.
    if not isinstance(value, str):
        raise ConfigError("give a text")
    return value


def _inside(value: object) -> str:
    """Refuse commands, absolute paths, paths that leave the folder, and what no file is called."""
    path = _text(value)
    if not path or "\0" in path:
        raise ConfigError("is the name of no file: it is empty or holds a NUL")
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    # A backslash or a colon is a letter of a name elsewhere than on Windows.
    leaves = ".." in (*posix.parts, *windows.parts) or posix.is_absolute() or windows.is_absolute()
    if leaves or Path(path).anchor or (os.name == "nt" and "\\" in path):
        raise ConfigError("must be a path inside the corpus, with forward slashes and without '..'")
    if path.rstrip().endswith("|"):
        raise ConfigError("is a command, not a file: sepvae runs no commands from a manifest")
    return path


# What a corpus calls its speakers and utterances, often by names of files; and the path of a file in a folder.
Name = Annotated[str, PlainValidator(_text)]
PathInside = Annotated[str, PlainValidator(_inside)]


def id_of(name: str) -> str:
    """Return a name as an id of mixtures: other than letters, digits and `_.-` become `+XX`, different for others.

    Example:
        >>> id_of("call 7")
        'call+207'
    """
    return re.sub(r"[^\w.-]", lambda found: "".join(f"+{byte:02X}" for byte in name_bytes(found[0])), name)

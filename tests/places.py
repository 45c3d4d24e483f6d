"""Files and folders for tests of what a system allows: names, links, and rights, also for an administrator."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_NOBODY = 65534

needs_permissions = pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of Unix")
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights of an administrator on Windows")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes, and pipes, are those of Linux")


def touch(root: Path, *paths: str) -> None:
    """Make empty files and the folders that they lie in."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")


@contextlib.contextmanager
def place_for_all() -> Iterator[Path]:
    """Yield a new folder that everybody may use: those that pytest makes are its own user's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@contextlib.contextmanager
def without_rights(*paths: Path) -> Iterator[None]:
    """Take all rights from files and folders for as long as the block runs, as somebody who is no administrator."""
    before = [(path, stat.S_IMODE(path.stat().st_mode)) for path in paths]
    for path in paths:
        path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(_NOBODY)
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        for path, mode in before:
            path.chmod(mode)

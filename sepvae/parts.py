"""Parts: what is being written, under a hidden name beside its final one, and what a killed process has left of them.

A part is locked by the process that writes it, and the system gives the lock back however that process ends. So what
is not locked is nobody's, and goes when somebody writes into the same folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.sepvae-([0-9a-f]{8})[0-9a-f]{24}\.part")
# A lock says nothing where it is of another machine, or where there are none: such a part has to lie still for so long.
_STILL_S = 3600.0

# Folders in which this process has looked for what others have left.
_seen: set[Path] = set()


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def lock(handle: int) -> bool | None:
    """Lock an open file or folder and say whether it is ours now; None where files cannot be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def append_line(handle: int, line: bytes) -> None:
    """Append what ends in a line feed to an open file, in one step: several processes may append to the same.

    Where a kill tore the last line, that stays as a line by itself, which says nothing.

    Raises:
        OSError: the file takes no more.
    """
    if os.lseek(handle, 0, os.SEEK_END):
        os.lseek(handle, -1, os.SEEK_END)
        if os.read(handle, 1) != b"\n":
            line = b"\n" + line
    if os.write(handle, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_at(handle: int, path: Path) -> bool:
    """Say whether an open file or folder still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except OSError:
        return False


def _create(path: Path, kind: Literal["file", "folder"]) -> int | None:
    """Create an empty file or folder, and return it open where there are locks."""
    if kind == "folder":
        path.mkdir()
        return None if fcntl is None else os.open(path, os.O_RDONLY)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    if fcntl is not None:
        return handle
    os.close(handle)
    return None


@contextlib.contextmanager
def claimed(folder: Path, kind: Literal["file", "folder"]) -> Iterator[Path]:
    """Yield a new empty part in a folder, which is locked in the block and removed behind it, if it is still there.

    Before it, what killed processes have left in the folder is removed, once in the life of this process.

    Raises:
        OSError: the folder takes no more, or may not be written to.
    """
    if (place := folder.absolute()) not in _seen:
        _seen.add(place)
        remove_left(folder)
    while True:
        # The name does not repeat the final one, which may already be as long as the file system allows.
        part = folder / f".sepvae-{_machine()}{uuid.uuid4().hex[:24]}.part"
        handle = None
        try:
            handle = _create(part, kind)
            locked = None if handle is None else lock(handle)
            # Between the two steps, somebody who looks for what is left may have found it unlocked and removed it.
            if handle is None or locked is None or (locked and _is_at(handle, part)):
                yield part
                return
        finally:
            try:
                _remove(part)
            except BaseException:
                # Interrupted, or asked to end, just here.
                _remove(part)
                raise
            finally:
                if handle is not None:
                    os.close(handle)


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(part.stat(follow_symlinks=False).st_mode):
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink()


def _changed(part: Path) -> float:
    """Return when a part, or something in it, was written last."""
    places = [part, *(part.rglob("*") if part.is_dir() else ())]
    return float(max(place.stat(follow_symlinks=False).st_mtime for place in places))


def _discard(part: Path, machine: str) -> None:
    """Remove a part unless somebody may still be at work on it."""
    handle = None
    with contextlib.suppress(OSError):
        try:
            # No part of ours is a pipe, a device or a link. A folder has no handle on Windows.
            mode = part.stat(follow_symlinks=False).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                return
            handle = None if fcntl is None else os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            free = None if handle is None else lock(handle)
            known = free is not None and machine == _machine()
            if free is not False and (known or time.time() - _changed(part) > _STILL_S):
                _remove(part)
        finally:
            if handle is not None:
                os.close(handle)


def remove_left(folder: str | os.PathLike[str], *, below: bool = False) -> None:
    """Remove the parts in a folder that nobody writes any more, and with `below` those in all folders below it.

    What may not be read or removed stays: it disturbs nobody.
    """
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            if match := _NAME.fullmatch(name):
                _discard(Path(place) / name, match[1])
        folders[:] = [name for name in folders if below and not _NAME.fullmatch(name)]

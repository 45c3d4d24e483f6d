"""What stands in the way of reading a file or a folder."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from sepvae.errors import InputError

_NEXT_STEP_OF_LISTING = {
    errno.EACCES: "permission denied: give yourself the right to read it (chmod u+rx), or move it elsewhere",
    errno.EPERM: "permission denied: give yourself the right to read it (chmod u+rx), or move it elsewhere",
    errno.ENAMETOOLONG: "its path is longer than the system takes: move it further up",
}


def unlisted(error: OSError | ValueError) -> str:
    """Return why a folder cannot be listed, and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    return _NEXT_STEP_OF_LISTING.get(error.errno or 0, error.strerror or str(error))


def check_ordinary(path: Path) -> None:
    """Raise InputError for a pipe or a device, which would be read for ever; what is not there is left to others."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path}: is not an ordinary file (a pipe or a device): save it to a file first")

"""Whether a disk has room for what will be written, before it is computed."""

from __future__ import annotations

import shutil
from pathlib import Path

from sepvae.errors import OutputError


def check_space(folder: Path, n_bytes: int) -> None:
    """Raise OutputError when the disk of a folder, which may be yet to make, has no room for so many bytes.

    A disk that does not say how much is free is not held back.
    """
    place = next((one for one in (folder, *folder.absolute().parents) if one.is_dir()), folder)
    try:
        usage = shutil.disk_usage(place)
    except OSError:
        return
    if usage.total > 0 and usage.free < n_bytes:
        raise OutputError(
            f"cannot write into {folder}: the disk is full: {_amount(n_bytes)} are needed, {_amount(usage.free)} are "
            "free: free some space or choose another output"
        )


def _amount(n_bytes: int) -> str:
    """Return a number of bytes in the unit that people use for so many."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"

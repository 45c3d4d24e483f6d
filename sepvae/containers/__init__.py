"""What is in a sound file, whatever its header says: libsndfile believes headers, and reads most cut files silently.

`examine` says how a file has to be read for nothing to be lost; the rule is in `extent`.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from sepvae import sphere
from sepvae.containers import chunks, extent, flac, mpeg, ogg
from sepvae.containers.contents import Contents
from sepvae.errors import InputError
from sepvae.formats import BEGINNING_BYTES, container_of
from sepvae.reading import check_ordinary

# libsndfile takes what has one of these endings and no known header for samples of a certain kind.
_HEADERLESS = {".raw", ".vox", ".gsm", ".au", ".snd"}
# A file that changed less than so long ago may change again at the same time of the coarsest clock, that of FAT.
_FRESH_NS = 3_000_000_000


def examine(path: Path) -> Contents:
    """Return what is in an audio file, which must be an ordinary file with something in it.

    Raises:
        InputError: the file is missing, empty, no file, cut off or compressed SPHERE, or its header is damaged.
    """
    status = _status(path)
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    if time.time_ns() - changed_ns < _FRESH_NS:
        return _examine(path, status.st_size)
    return _examine_once(path, status.st_size, (changed_ns, status.st_mtime_ns, status.st_dev, status.st_ino))


@lru_cache(maxsize=256)
def _examine_once(path: Path, size: int, _known_by: tuple[int, ...]) -> Contents:
    """Return what is in a file, which is the same for as long as the file is: block after block is read of it."""
    return _examine(path, size)


def _examine(path: Path, size: int) -> Contents:
    with path.open("rb") as file:
        start = file.read(BEGINNING_BYTES)
        container = container_of(start) or ""
        if container in chunks.LAYOUTS:
            return chunks.examine(file, path, chunks.LAYOUTS[container], size)
        if container == "SPHERE":
            return _examine_sphere(file, path, size)
        if container in ("AU", "AU little"):
            return _examine_au(file, path, start, size)
        if container == "OGG":
            return ogg.examine(file, path, size)
        if container == "FLAC":
            return flac.examine(file, path, size, 0)
        if path.suffix.lower() in _HEADERLESS:
            raise InputError(f"{path}: has no header that says its rate and format: convert it to WAV first")
        first = mpeg.first_frame(file, size, named=path.suffix.lower() in mpeg.ENDINGS)
        return Contents() if first is None else mpeg.examine(file, path, size, first)


def _status(path: Path) -> os.stat_result:
    """Return size and times of what must be an ordinary file with something in it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a folder, expected an audio file")
    check_ordinary(path)
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return status


def _examine_au(file: BinaryIO, path: Path, start: bytes, size: int) -> Contents:
    order: Literal["little", "big"] = "big" if start[:4] == b".snd" else "little"
    begin, length = int.from_bytes(start[4:8], order), int.from_bytes(start[8:12], order)
    found = extent.contents(file, path, extent.Counted(begin, length, 4, order), size)
    there = 0 if found.samples is None else found.samples.n_bytes
    if there == length:
        return found
    # Of the largest size libsndfile knows that it means everything.
    counted = min(there, 0xFFFF_FFFF).to_bytes(4, order)
    return replace(found, pieces=((0, 8), counted, (12, begin + there)))


def _examine_sphere(file: BinaryIO, path: Path, size: int) -> Contents:
    header = sphere.read_header(path)
    if "," in header.coding or "shorten" in header.coding:
        raise InputError(
            f"{path}: SPHERE with {header.coding[:60]} compression cannot be read: "
            "expand it first with the LDC's sph2pipe (sph2pipe -f wav IN OUT)"
        )
    return extent.contents(file, path, extent.Counted(header.n_bytes, header.data_bytes, 8, "little"), size)

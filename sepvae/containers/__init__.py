"""What is in a sound file, whatever its header says: libsndfile believes headers, and reads most cut files silently.

`examine` says how a file has to be read for nothing to be lost; the rule is in `extent`.
"""

from __future__ import annotations

import stat
from dataclasses import replace
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


def examine(path: Path) -> Contents:
    """Return what is in an audio file, which must be an ordinary file with something in it.

    Raises:
        InputError: the file is missing, empty, no file, cut off or compressed SPHERE, or its header is damaged.
    """
    size = _file_size(path)
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


def _file_size(path: Path) -> int:
    """Return the size in bytes of what must be an ordinary file with something in it."""
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
    return status.st_size


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

"""Ogg: whether its last page is whole, and whether it is one recording (RFC 3533)."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from sepvae.containers.contents import Contents
from sepvae.errors import InputError

MAGIC = b"OggS"
_HEAD_BYTES = 27
_MAX_PAGE_BYTES = _HEAD_BYTES + 255 + 255 * 255
_BEGINS, _ENDS = 2, 4

NO_END = "its stream was never ended (recorded from a broadcast, or stopped): all that is there is read"


def examine(file: BinaryIO, path: Path, size: int) -> Contents:
    """Return what has to be said of an Ogg file.

    Raises:
        InputError: it ends within a page, or holds several recordings, of which libsndfile reads the first alone.
    """
    file.seek(max(0, size - 2 * _MAX_PAGE_BYTES))
    tail = file.read()
    at = tail.rfind(MAGIC)
    page = tail[max(0, at) :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    whole = len(page) >= 27 and len(segments) == page[26] and len(page) >= 27 + len(segments) + sum(segments)
    if not whole:
        raise InputError(f"{path}: truncated: the Ogg stream has no end; copy the file again, or encode it again")
    if (count := _count_recordings(file)) > 1:
        raise InputError(
            f"{path}: holds {count} recordings one after the other (chained Ogg): split or encode it again"
        )
    return Contents() if page[5] & _ENDS else Contents(note=NO_END, warning=True)


def _count_recordings(file: BinaryIO) -> int:
    """Return how often pages that begin a stream come first or follow others; pages that are damaged end the count."""
    count, began, position = 0, False, 0
    while True:
        file.seek(position)
        head = file.read(_HEAD_BYTES + 255)
        if len(head) < _HEAD_BYTES or head[:4] != MAGIC:
            return count
        begins = bool(head[5] & _BEGINS)
        # Streams that run side by side begin one right after the other.
        count += begins and not began
        began = begins
        position += _HEAD_BYTES + head[26] + sum(head[_HEAD_BYTES : _HEAD_BYTES + head[26]])

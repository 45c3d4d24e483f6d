"""Whether a sound file is whole, as its own header declares: libsndfile reads most cut files silently."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from sepvae import sphere
from sepvae.errors import InputError


@dataclass(frozen=True)
class _Chunks:
    """How a container made of chunks is laid out.

    `samples` names the chunk of samples; `first` is where the first chunk begins, `size_bytes` the width of a size,
    `order` its byte order; a size counts the header of its chunk if `inclusive`, and chunks begin at multiples of
    `align` bytes.
    """

    samples: bytes
    first: int = 12
    size_bytes: int = 4
    order: Literal["little", "big"] = "little"
    inclusive: bool = False
    align: int = 2


_WAVE64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_WAVE64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
# First bytes of a file, and those after its size, if they matter.
_CHUNKED: tuple[tuple[bytes, bytes, _Chunks], ...] = (
    (b"RIFF", b"WAVE", _Chunks(b"data")),
    (b"RF64", b"WAVE", _Chunks(b"data")),
    (b"RIFX", b"WAVE", _Chunks(b"data", order="big")),
    (b"FORM", b"AIFF", _Chunks(b"SSND", order="big")),
    (b"FORM", b"AIFC", _Chunks(b"SSND", order="big")),
    (b"caff", b"", _Chunks(b"data", first=8, size_bytes=8, order="big", align=1)),
    (_WAVE64_RIFF, b"", _Chunks(_WAVE64_DATA, first=40, size_bytes=8, inclusive=True, align=8)),
)
_MAX_CHUNKS = 10_000
# A writer that cannot seek back leaves the largest size, or somewhat less.
_UNKNOWN_BELOW_LARGEST = 0xFF

# libsndfile takes what has one of these endings and no known header for samples of a certain kind.
_HEADERLESS = {".raw", ".vox", ".gsm", ".au", ".snd"}
_MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_END_OF_STREAM = 4


def check_whole(path: Path) -> None:
    """Check that `path` is an ordinary file with something in it, and as long as its own header declares.

    Raises:
        InputError: the file is missing, empty, no file, cut off or compressed SPHERE, or its header is damaged.
    """
    size = _file_size(path)
    with path.open("rb") as file:
        start = file.read(40)
        if start.startswith(sphere.MAGIC):
            _check_sphere(path, size)
        elif start[:4] in (b".snd", b"dns."):
            _check_complete(path, _end_of_au(start), size)
        elif start[:4] == b"OggS":
            _check_ogg(file, path, size)
        elif path.suffix.lower() in _HEADERLESS:
            raise InputError(f"{path}: has no header that says its rate and format: convert it to WAV first")
        for first, form, layout in _CHUNKED:
            if start.startswith(first) and start[8:].startswith(form):
                _check_complete(path, _end_of_samples(file, path, layout, size), size)


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
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not an ordinary file (a pipe or a device): save it to a file first")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return status.st_size


def _check_complete(path: Path, needed: int, size: int) -> None:
    if needed > size:
        raise InputError(f"{path}: truncated: {needed - size} bytes of audio are missing; copy the file again")


def _unknown(length: int, size_bytes: int) -> bool:
    return length >= (1 << 8 * size_bytes) - 1 - _UNKNOWN_BELOW_LARGEST


def _end_of_au(start: bytes) -> int:
    order: Literal["little", "big"] = "big" if start[:4] == b".snd" else "little"
    offset, length = int.from_bytes(start[4:8], order), int.from_bytes(start[8:12], order)
    return offset if _unknown(length, 4) else offset + length


def _check_sphere(path: Path, size: int) -> None:
    header = sphere.read_header(path)
    if "," in header.coding or "shorten" in header.coding:
        raise InputError(
            f"{path}: SPHERE with {header.coding[:60]} compression cannot be read: "
            "expand it first with the LDC's sph2pipe (sph2pipe -f wav IN OUT)"
        )
    _check_complete(path, header.n_bytes + (header.data_bytes or 0), size)


def _end_of_samples(file: BinaryIO, path: Path, layout: _Chunks, size: int) -> int:
    """Return where the chunk of samples must end, as its header declares."""
    head_bytes = len(layout.samples) + layout.size_bytes
    position, long_size = layout.first, None
    for _ in range(_MAX_CHUNKS):
        if position + head_bytes > size:
            break
        file.seek(position)
        name, length = file.read(len(layout.samples)), int.from_bytes(file.read(layout.size_bytes), layout.order)
        if name == b"ds64":  # RF64 keeps sizes beyond 4 GiB here
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if name == layout.samples:
            if length == 0 and layout.size_bytes == 4:
                _check_finished(file, path, layout, size)
            if _unknown(length, layout.size_bytes):
                length = long_size or 0
            return position + length + (0 if layout.inclusive else head_bytes)
        position += max(length, head_bytes) if layout.inclusive else head_bytes + length
        position += -position % layout.align
    raise InputError(f"{path}: truncated: the header names no audio data; copy the file again")


def _check_finished(file: BinaryIO, path: Path, layout: _Chunks, size: int) -> None:
    """A recorder that was killed leaves sizes of 0, of which libsndfile makes a recording without samples."""
    file.seek(4)
    declared = 8 + int.from_bytes(file.read(4), layout.order)
    if declared < size:
        raise InputError(
            f"{path}: its header was never finished: it declares no samples, but {size - declared} bytes follow; "
            "the program that wrote it was stopped: write it again"
        )


def _check_ogg(file: BinaryIO, path: Path, size: int) -> None:
    """The last page of a whole Ogg file says that it is the last."""
    file.seek(max(0, size - 2 * _MAX_OGG_PAGE_BYTES))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    whole = len(page) >= 27 and len(segments) == page[26] and len(page) >= 27 + len(segments) + sum(segments)
    if not whole or not page[5] & _END_OF_STREAM:
        raise InputError(f"{path}: truncated: the Ogg stream has no end; copy the file again, or encode it again")

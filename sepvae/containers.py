"""Whether a sound file is whole, as its own header declares: libsndfile reads cut WAV, AIFF and SPHERE silently."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

from sepvae import sphere
from sepvae.errors import InputError

# (first name, type) of containers made of chunks: byte order of their sizes, and name of the chunk of samples.
_CHUNKED: dict[tuple[bytes, bytes], tuple[Literal["little", "big"], bytes]] = {
    (b"RIFF", b"WAVE"): ("little", b"data"),
    (b"RF64", b"WAVE"): ("little", b"data"),
    (b"RIFX", b"WAVE"): ("big", b"data"),
    (b"FORM", b"AIFF"): ("big", b"SSND"),
    (b"FORM", b"AIFC"): ("big", b"SSND"),
}
_MAX_CHUNKS = 10_000
# What a writer that cannot seek back leaves as the length of the chunk, or somewhat less.
_UNKNOWN_LENGTH = 0xFFFFFF00


def check_not_truncated(path: Path, size: int) -> None:
    """Compare the size that WAV, AIFF and SPHERE headers declare with `size`, that of the file in bytes.

    Raises:
        InputError: the file is cut off, its header is damaged, or it is compressed SPHERE.
    """
    with path.open("rb") as file:
        magic = file.read(12)
        if magic[:7] == sphere.MAGIC:
            header = sphere.read_header(path)
            if "," in header.coding or "shorten" in header.coding:
                raise InputError(
                    f"{path}: SPHERE with {header.coding[:60]} compression cannot be read: "
                    "expand it first with the LDC's sph2pipe (sph2pipe -f wav IN OUT)"
                )
            _check_complete(path, header.n_bytes + (header.data_bytes or 0), size)
        elif (magic[:4], magic[8:]) in _CHUNKED:
            _check_complete(path, _end_of_data(file, path, magic, size), size)


def _check_complete(path: Path, needed: int, size: int) -> None:
    if needed > size:
        raise InputError(f"{path}: truncated: {needed - size} bytes of audio are missing; copy the file again")


def _end_of_data(file: BinaryIO, path: Path, magic: bytes, size: int) -> int:
    """Return where the chunk of samples must end, as its header declares."""
    order, wanted = _CHUNKED[magic[:4], magic[8:]]
    position, long_size = len(magic), None
    for _ in range(_MAX_CHUNKS):
        if position + 8 > size:
            break
        file.seek(position)
        name, length = file.read(4), int.from_bytes(file.read(4), order)
        if name == b"ds64":  # RF64 keeps sizes beyond 4 GiB here
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if name == wanted:
            if length >= _UNKNOWN_LENGTH:
                length = long_size or 0
            return position + 8 + length
        position += 8 + length + length % 2
    raise InputError(f"{path}: truncated: the header names no audio data; copy the file again")

"""FLAC: how many samples its header counts, and how many its last frame ends with (RFC 9639)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sepvae.containers.contents import Contents, Piece, differs, truncated
from sepvae.containers.extent import UNKNOWN
from sepvae.errors import InputError

MAGIC = b"fLaC"
_INFO_BYTES = 34
# Where the count stands behind the magic: its first four bits share a byte.
_COUNT_AT, _COUNT_BYTES = 21, 5
_COUNT_BITS = 36
_SECOND = MAGIC + bytes([0, 0, 0, _INFO_BYTES])
# The largest frame has 65 535 samples of 8 channels and 32 bits.
_TAIL_BYTES, _MOST_TAIL_BYTES = 1 << 17, 3 << 20
_LONGEST_HEAD = 16
# Places looked at for the last frame, from the end.
_CANDIDATES = 16
_READ_BYTES = 1 << 20
_TAG_BYTES = 128

_BLOCKS = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


def _crc_table(polynomial: int, bits: int) -> list[int]:
    top, mask = 1 << bits - 1, (1 << bits) - 1
    table = []
    for value in range(256):
        crc = value << bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
        table.append(crc)
    return table


_CRC8, _CRC16 = _crc_table(0x07, 8), _crc_table(0x8005, 16)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _whole_bytes(data: bytes, *, exactly: bool) -> bool:
    """Say whether data, or a beginning of it unless `exactly`, is a frame with its own remainder at its end."""
    crc = 0
    for count, byte in enumerate(data):
        crc = (crc << 8 & 0xFF00) ^ _CRC16[crc >> 8 ^ byte]
        if crc == 0 and not exactly and count >= _LONGEST_HEAD:
            return True
    return crc == 0


class _Frame(NamedTuple):
    """A frame of samples [start, stop) that begins at a byte."""

    at: int
    start: int
    stop: int


def _number(data: bytes) -> tuple[int, int] | None:
    """Return the number coded as UTF-8 codes characters, of up to 36 bits, and its length in bytes."""
    first = data[0]
    if first < 0x80:
        return first, 1
    length = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= length <= 7 or len(data) < length or any(byte & 0xC0 != 0x80 for byte in data[1:length]):
        return None
    value = first & (1 << 7 - length) - 1
    for byte in data[1:length]:
        value = value << 6 | byte & 0x3F
    return value, length


def _frame(data: bytes, at: int, block: int) -> _Frame | None:
    """Return the frame whose header lies at a byte of `data`; None where there is none.

    Args:
        data: bytes.
        at: place of its first byte.
        block: samples of every frame but the last, of a file whose frames are numbered.
    """
    head = data[at : at + _LONGEST_HEAD]
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1 or head[3] >> 4 > 10:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    number = _number(head[4:])
    if size_code == 0 or rate_code == 15 or number is None:
        return None
    end = 4 + number[1]
    n_samples = _BLOCKS.get(size_code, 0)
    if size_code in (6, 7):
        n_samples = int.from_bytes(head[end : end + size_code - 5], "big") + 1
        end += size_code - 5
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= end or _crc8(head[:end]) != head[end]:
        return None
    start = number[0] if head[1] & 1 else number[0] * block
    return _Frame(at, start, start + n_samples)


def _frames_backwards(data: bytes, block: int) -> Iterator[_Frame]:
    at = len(data)
    while (at := data.rfind(b"\xff", 0, at)) >= 0:
        frame = _frame(data, at, block)
        if frame is not None:
            yield frame


class _End(NamedTuple):
    """How many samples end with the last frame, how many begin with it, and whether it is whole, if that is known."""

    stop: int
    start: int
    whole: bool


def _last_frame(file: BinaryIO, begin: int, end: int, block: int) -> _End | None:
    """Return what the last frame says; None where none is found."""
    for tail_bytes in (_TAIL_BYTES, _MOST_TAIL_BYTES):
        first = max(begin, end - tail_bytes)
        file.seek(first)
        data = file.read(end - first)
        frames = list(islice(_frames_backwards(data, block), _CANDIDATES))
        for frame in frames:
            if _whole_bytes(data[frame.at :], exactly=True):
                return _End(frame.stop, frame.start, whole=True)
        # Bytes may look like a frame by chance, but hardly like one that goes on where the one before ends.
        stops = {frame.stop for frame in frames}
        for frame in frames:
            if frame.start == 0 or frame.start in stops:
                return _End(frame.stop, frame.start, _whole_bytes(data[frame.at :], exactly=False))
        if first == begin:
            break
    return None


def _holds_several(file: BinaryIO, position: int) -> bool:
    """Say whether another FLAC file begins behind a byte."""
    file.seek(position)
    before = b""
    while block := file.read(_READ_BYTES):
        if _SECOND in before + block:
            return True
        before = block[-len(_SECOND) + 1 :]
    return False


def examine(file: BinaryIO, path: Path, size: int, begin: int) -> Contents:
    """Return how many samples there are, and how libsndfile is brought to read them all.

    Args:
        file: the file.
        path: its name, for errors.
        size: its bytes.
        begin: where `MAGIC` lies.

    Raises:
        InputError: cut off, or several files one after the other, of which libsndfile reads the first alone.
    """
    file.seek(begin)
    head = file.read(8 + _INFO_BYTES)
    if len(head) < 8 + _INFO_BYTES or head[4] & 0x7F:
        return Contents()  # damaged: libsndfile says how
    count_at = begin + _COUNT_AT
    declared = int.from_bytes(head[_COUNT_AT : _COUNT_AT + _COUNT_BYTES], "big") & (1 << _COUNT_BITS) - 1
    file.seek(max(0, size - _TAG_BYTES))
    end = size - _TAG_BYTES if file.read(3) == b"TAG" else size
    found = _last_frame(file, begin + len(head), end, int.from_bytes(head[10:12], "big"))
    if found is None or found.stop == declared:
        return Contents()  # a last frame that is cut off is a fault of the samples, and libsndfile finds it
    there = found.stop if found.whole else found.start
    if declared > there:
        raise truncated(path, declared - there, declared, there, "samples")
    if _holds_several(file, begin + len(head)):
        raise InputError(f"{path}: holds several recordings one after the other: split or encode it again")
    if not found.whole:
        raise InputError(
            f"{path}: truncated: it ends within a frame, after {there} samples (its header counts "
            f"{declared or 'none'}); copy the file again, or encode it again"
        )
    note = differs(declared, there, "samples") if declared else UNKNOWN
    count = (head[_COUNT_AT] & 0xF0) << 32 | there
    pieces: tuple[Piece, ...] = ((0, count_at), count.to_bytes(_COUNT_BYTES, "big"), (count_at + _COUNT_BYTES, end))
    return Contents(pieces, n_samples=there, note=note, warning=declared > 0)

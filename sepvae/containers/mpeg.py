"""MP1, MP2 and MP3: how many frames there are, which only some files say (ISO/IEC 11172-3, 13818-3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sepvae.containers.contents import Contents, Piece, differs, truncated
from sepvae.containers.extent import is_tag

ENDINGS = {".mp3", ".mp2", ".mp1", ".mpga"}
# Frames that must follow one another for bytes to count as MPEG audio; two where the place of the first is known.
_CHAIN, _SHORT_CHAIN = 4, 2
_SEARCH_BYTES = 1 << 16
_LOOKS_LIKE_A_HEAD = re.compile(rb"(?=\xff[\xe2-\xff][\x10-\xef])")
_READ_BYTES = 1 << 20
# Something else than frames is searched through so far, and passed over so often, before the rest is given up.
_GAP_BYTES, _GAPS = 1 << 23, 10_000
_HEAD_BYTES = 4
_TAG_BYTES = 128
# A decoder makes a length of the size and the first frames; it must not be less than what is there.
_SPARE_FRAMES = 16

_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
# MPEG 2.5, none, 2 and 1: by how much their rates are halved.
_HALVED = (2, None, 1, 0)


class _Frame(NamedTuple):
    """What the header of a frame says; `kind` is what all frames of a recording share."""

    n_bytes: int
    n_samples: int
    kind: tuple[int, int, int]
    mono: bool
    is_first_version: bool


@lru_cache(maxsize=4096)
def _frame(head: bytes) -> _Frame | None:
    """Return what the four bytes of a header say, or None where they are none (or of free format)."""
    bits = int.from_bytes(head, "big")
    halved, layer = _HALVED[bits >> 19 & 3], 4 - (bits >> 17 & 3)
    rate_index, bit_rate = bits >> 10 & 3, bits >> 12 & 15
    wrong = len(head) < _HEAD_BYTES or bits >> 21 != 0x7FF or halved is None or layer == 4
    if wrong or halved is None or rate_index == 3 or bit_rate in (0, 15):
        return None
    first, padding = halved == 0, bits >> 9 & 1
    rate, kbits = _RATES[rate_index] >> halved, _KBITS[halved == 0, layer][bit_rate - 1]
    n_samples = 384 if layer == 1 else 1152 if layer == 2 or first else 576
    n_bytes = (12_000 * kbits // rate + padding) * 4 if layer == 1 else n_samples * 125 * kbits // rate + padding
    return _Frame(n_bytes, n_samples, (halved, layer, rate), bits >> 6 & 3 == 3, first)


@dataclass
class _Scan:
    """The frames of a file: where they lie, how many there are, and how many bytes lie between and behind them."""

    pieces: list[Piece] = field(default_factory=list)
    n_frames: int = 0
    largest: int = 0
    between: int = 0
    behind: int = 0
    cut: bool = False


class _Bytes:
    """A file read forwards, in large steps."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._start, self._data = 0, b""

    def at(self, position: int, count: int) -> bytes:
        """Return `count` bytes from a place, fewer at the end."""
        if not self._start <= position <= position + count <= self._start + len(self._data):
            self._file.seek(position)
            self._start, self._data = position, self._file.read(max(count, _READ_BYTES))
        return self._data[position - self._start : position - self._start + count]


def _id3_bytes(data: _Bytes, position: int) -> int:
    """Return the length of an ID3v2 tag at a place, 0 where there is none."""
    head = data.at(position, 10)
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
        return 0
    length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + length + (10 if head[5] & 0x10 else 0)


def _chain(data: _Bytes, position: int, count: int, kind: tuple[int, int, int] | None = None) -> bool:
    """Say whether frames of one kind follow one another at a place, up to `count` or the end of the file."""
    for _ in range(count):
        frame = _frame(data.at(position, _HEAD_BYTES))
        if frame is None or kind not in (None, frame.kind):
            return False
        kind, position = frame.kind, position + frame.n_bytes
        if position >= data.size:
            break
    return True


def _search(data: _Bytes, position: int, stop: int, count: int, kind: tuple[int, int, int] | None = None) -> int | None:
    """Return the first place from `position` on where frames begin."""
    while position < stop:
        block = data.at(position, min(_SEARCH_BYTES, stop - position) + _HEAD_BYTES - 1)
        for match in _LOOKS_LIKE_A_HEAD.finditer(block):
            if position + match.start() < stop and _chain(data, position + match.start(), count, kind):
                return position + match.start()
        position += _SEARCH_BYTES
    return None


def first_frame(file: BinaryIO, size: int, *, named: bool) -> int | None:
    """Return where the first frame lies, or None where a file is no MPEG audio.

    Args:
        file: the file.
        size: its bytes.
        named: whether its name says that it is; then it may begin in the middle of a frame.
    """
    data, position = _Bytes(file, size), 0
    while length := _id3_bytes(data, position):
        position += length
    if not named and position == 0 and _frame(data.at(0, _HEAD_BYTES)) is None:
        return None
    return _search(data, position, min(size, position + (_SEARCH_BYTES if named or position else 1)), _CHAIN)


def _scan(file: BinaryIO, size: int, first: int) -> _Scan:
    """Walk over all frames, and past what is none."""
    data, scan, position, begin = _Bytes(file, size), _Scan(), first, first
    head = _frame(data.at(first, _HEAD_BYTES))
    kind = None if head is None else head.kind
    while position < size:
        frame = _frame(data.at(position, _HEAD_BYTES))
        if frame is not None and frame.kind == kind:
            if position + frame.n_bytes > size:
                scan.cut = True
                break
            scan.n_frames, scan.largest = scan.n_frames + 1, max(scan.largest, frame.n_bytes)
            position += frame.n_bytes
            continue
        scan.pieces.append((begin, position))
        tag = _id3_bytes(data, position)
        found = _search(data, position + tag, min(size, position + tag + _GAP_BYTES), _SHORT_CHAIN, kind)
        if found is None or len(scan.pieces) > _GAPS:
            scan.behind = 0 if is_tag(file, position) else size - position
            return scan
        scan.between += found - position - tag
        position = begin = found
    scan.pieces.append((begin, position))
    return scan


def _declared(file: BinaryIO, first: int, frame: _Frame) -> tuple[int, bool] | None:
    """Return how many frames the first one counts, and whether it is a Xing or Info header; None where it is silent."""
    file.seek(first)
    data = file.read(frame.n_bytes)
    side = (17 if frame.mono else 32) if frame.is_first_version else (9 if frame.mono else 17)
    for crc in (0, 2):
        at = _HEAD_BYTES + crc + side
        if data[at : at + 4] in (b"Xing", b"Info"):
            has_count = data[at + 7] & 1 if len(data) > at + 11 else 0
            return (int.from_bytes(data[at + 8 : at + 12], "big"), True) if has_count else (0, True)
    if data[36:40] == b"VBRI" and len(data) >= 54:
        return int.from_bytes(data[50:54], "big"), False
    return None


def examine(file: BinaryIO, path: Path, size: int, first: int) -> Contents:
    """Return how many samples there are, and how libsndfile is brought to read them all.

    Raises:
        InputError: the first frame counts more than there are.
    """
    file.seek(first)
    frame = _frame(file.read(_HEAD_BYTES))
    scan = _scan(file, size, first)
    if frame is None or not scan.n_frames:
        return Contents()
    counted = _declared(file, first, frame)
    oddities = _oddities(scan)
    if counted is None:
        return _view(scan, scan.n_frames, frame, note=oddities)
    declared, is_xing = counted
    there = scan.n_frames - 1  # the frame that counts holds no sound
    if declared > there and (scan.cut or scan.between or declared > there + 1):
        wanted = declared * frame.n_samples
        raise truncated(path, wanted - there * frame.n_samples, wanted, there * frame.n_samples, "samples")
    if is_xing and declared == there and not scan.between:
        # A decoder leaves out what the encoder added at both ends.
        return Contents()
    note = differs(declared * frame.n_samples, there * frame.n_samples, "samples") if 0 < declared < there else oddities
    begin, end = first + frame.n_bytes, scan.pieces[0]
    if isinstance(end, tuple):
        scan.pieces[0] = (begin, end[1])
    return _view(scan, there, frame, note=note)


def _oddities(scan: _Scan) -> str:
    """Return what has to be said of a file beside its length."""
    left_out = scan.between + scan.behind
    if left_out:
        return f"{left_out} bytes in it are no frames of MPEG audio and are left out"
    return "its last frame is cut off, and nothing says whether there were more" if scan.cut else ""


def _view(scan: _Scan, n_frames: int, frame: _Frame, *, note: str) -> Contents:
    """Return the frames alone, under a size of which no decoder makes too short a length."""
    beyond = _TAG_BYTES + (n_frames + _SPARE_FRAMES) * max(scan.largest, frame.n_bytes)
    return Contents(tuple(scan.pieces), beyond, n_samples=n_frames * frame.n_samples, note=note, warning=bool(note))

"""How far the samples of a file go: what its header counts, against what is there.

The rule, for every container whose samples lie in one piece. What is there decides:

- The header counts what is there: that is it.
- It counts more than there is. Where the number is one that programs leave when they cannot know (0, the largest, or
  about half of it), nothing is missing, and all that is there is read. Otherwise the header was finished, so samples
  are missing for certain, and the file is refused with both numbers.
- It counts less. What follows are chunks or tags of other programs, the zeros of a disk, or else samples: of a size
  that has wrapped, or of a program that was stopped. Then all is read, with a warning of both numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sepvae.containers.contents import Contents, Order, Samples, differs, truncated

# What a program that cannot seek back leaves: the largest number or somewhat less, or the largest positive one or
# somewhat less (SoX 0x7ffff000 and 0x7f000000, arecord 0x80000000, FFmpeg 2^63 − 1).
_BELOW_LARGEST = 0xFFFF
_BELOW_HALF, _ABOVE_HALF = (1 << 24) + (1 << 12), 1 << 12
# Fewer bytes than these after the samples are padding, and so are zeros to the end of a cluster of a disk.
_PADDING, _CLUSTER = 8, 1 << 16
# Programs that tag sound files put these behind everything.
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"3DI", b"LYRICSBEGIN")
_ID3V1_BYTES = 128

UNKNOWN = "its header does not say how long it is (written to a pipe, or stopped): all that is there is read"


@dataclass(frozen=True)
class Counted:
    """What a header says of its samples: they begin at a byte, and `n_bytes` follow, in a field of `width` bytes.

    `n_bytes` is None where the header does not say, and `known_end` is whether something that is no samples lies from a
    byte to the end of the file; `find_end` returns the last byte but for such things.
    """

    begin: int
    n_bytes: int | None
    width: int
    order: Order
    frame_bytes: int = 0
    known_end: Callable[[int], bool] = lambda _: False
    find_end: Callable[[int], int] | None = None


def _placeholder(value: int, width: int) -> bool:
    """Say whether a size of `width` bytes is one that programs write which do not know it."""
    half, largest = 1 << (8 * width - 1), 1 << 8 * width
    return value <= 0 or value >= largest - 1 - _BELOW_LARGEST or half - _BELOW_HALF <= value <= half + _ABOVE_HALF


def is_tag(file: BinaryIO, position: int) -> bool:
    """Say whether a tag begins at a byte."""
    file.seek(position)
    return file.read(16).startswith(TAGS)


def _only_zeros(file: BinaryIO, position: int, n_bytes: int) -> bool:
    """Say whether no more than a cluster of zeros follows, to the end of the file."""
    file.seek(position)
    return n_bytes <= _CLUSTER and not any(file.read(n_bytes))


def _end(file: BinaryIO, counted: Counted, size: int) -> int:
    """Return where samples end that go to the end of the file, but for chunks and tags behind them."""
    end = max(counted.begin, size)
    if size - _ID3V1_BYTES >= counted.begin:
        file.seek(size - _ID3V1_BYTES)
        end = size - _ID3V1_BYTES if file.read(3) == b"TAG" else end
    return end if counted.find_end is None else counted.find_end(end)


def contents(file: BinaryIO, path: Path, counted: Counted, size: int) -> Contents:
    """Return where the samples of a file lie, and what its header says otherwise.

    Raises:
        InputError: fewer samples are there than a finished header counts.
    """
    begin, declared = counted.begin, counted.n_bytes
    available = max(0, size - begin)

    def found(n_bytes: int, note: str = "", *, warning: bool = False) -> Contents:
        samples = Samples(begin, n_bytes, counted.order, counted.frame_bytes)
        return Contents(samples=samples, note=note, warning=warning)

    if declared is None or (_placeholder(declared, counted.width) and declared > available):
        return found(_end(file, counted, size) - begin, UNKNOWN)
    if declared <= 0:
        nothing = available < _PADDING or counted.known_end(begin) or is_tag(file, begin)
        return found(0) if nothing else found(_end(file, counted, size) - begin, UNKNOWN)
    if declared > available:
        if declared in (size, size - 8):  # the header was counted as samples
            return found(available, differs(declared, available, "bytes of audio"), warning=True)
        raise truncated(path, declared - available, declared, available, "bytes of audio")
    rest, after = available - declared, begin + declared
    if rest < _PADDING or counted.known_end(after) or is_tag(file, after) or _only_zeros(file, after, rest):
        return found(declared)
    there = _end(file, counted, size) - begin
    return found(there, differs(declared, there, "bytes of audio"), warning=True)

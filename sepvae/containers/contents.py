"""What lies in a sound file, found by looking at its bytes and not by believing its header; and a view that says so."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, Literal

from sepvae.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Order = Literal["little", "big"]
# Bytes of a view: made here, or from one place of the file to another.
Piece = bytes | tuple[int, int]

# libsndfile asks the last bytes of an MP3 file for a tag, and refuses a file where they cannot be read.
_TAG_BYTES = 128


@dataclass(frozen=True)
class Samples:
    """Where samples lie that all have one width: `n_bytes` from the byte `begin` on.

    `frame_bytes` is how many bytes hold one sample of every channel, 0 where the header does not say.
    """

    begin: int
    n_bytes: int
    order: Order
    frame_bytes: int = 0


@dataclass(frozen=True)
class Contents:
    """How a file has to be read for everything in it to be read.

    `pieces` are those of a view in which libsndfile finds everything; without any it reads the file as it is.
    `beyond` is how many bytes longer the view claims to be, for a decoder that makes a length of the size.
    `samples` is where samples of one width lie, and `n_samples` how many are there, where that is known.
    `note` says what the header says otherwise; it is a `warning` where the header gives another number.
    """

    pieces: tuple[Piece, ...] = ()
    beyond: int = 0
    samples: Samples | None = None
    n_samples: int | None = None
    note: str = ""
    warning: bool = False


def truncated(path: object, missing: int, declared: int, there: int, what: str) -> InputError:
    """Return the error for a file whose header counts more than there is."""
    return InputError(
        f"{path}: truncated: {missing} {what} are missing; copy the file again (its header counts {declared}, {there} "
        "are there)"
    )


def differs(declared: int, there: int, what: str) -> str:
    """Return the note for a file whose header counts something else than there is."""
    return f"its header counts {declared} {what}, {there} are there: these are read"


class View(io.RawIOBase):
    """A file put together from pieces of another one, to be read from any place.

    Args:
        file: the file; closed with the view.
        pieces: in order.
        beyond: by how many bytes more the size is overstated; there is nothing to read there but a tag of zeros.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], beyond: int = 0) -> None:
        self._file, self._pieces, self._beyond, self._position = file, pieces, beyond, 0
        lengths = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces]
        self._ends = list(accumulate(lengths))

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def _size(self) -> int:
        return (self._ends[-1] if self._ends else 0) + self._beyond

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; positions before the first become the first."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size()}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as there are bytes."""
        target, done = memoryview(buffer).cast("B"), 0
        while done < len(target):
            chunk = self._next(len(target) - done)
            if not chunk:
                break
            target[done : done + len(chunk)] = chunk
            done += len(chunk)
            self._position += len(chunk)
        return done

    def _next(self, count: int) -> bytes:
        """Return up to `count` bytes from the position on, of one piece."""
        place = bisect_right(self._ends, self._position)
        if place == len(self._pieces):
            left = self._size() - self._position
            return bytes(min(count, left)) if 0 < left <= _TAG_BYTES <= self._beyond else b""
        piece, before = self._pieces[place], self._ends[place - 1] if place else 0
        inside, count = self._position - before, min(count, self._ends[place] - self._position)
        if isinstance(piece, bytes):
            return piece[inside : inside + count]
        self._file.seek(piece[0] + inside)
        return self._file.read(count)

    def close(self) -> None:
        """Close the view and its file."""
        self._file.close()
        super().close()

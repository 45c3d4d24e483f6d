"""Printing of file names that the encoding of stdout has no letters for."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
from collections.abc import Iterator

# Python reads a byte of a file name that is no UTF-8 as a code point that much above it.
_ESCAPED = 0xDC00
_NAMES = "sepvae-names"


def _encode_name(error: UnicodeError) -> tuple[bytes | str, int]:
    r"""Encode what stdout has no letters for: of a file name its very bytes, of anything else `\u65e5`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return b"".join(_bytes_of(letter) for letter in letters), error.end


def _bytes_of(letter: str) -> bytes:
    code = ord(letter) - _ESCAPED
    return bytes([code]) if 0x80 <= code <= 0xFF else letter.encode("ascii", "backslashreplace")


@contextlib.contextmanager
def printing_any_name() -> Iterator[None]:
    """Let stdout take any file name, whatever its encoding, for as long as a verb runs."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    codecs.register_error(_NAMES, _encode_name)
    before = stream.errors
    stream.reconfigure(errors=_NAMES)
    try:
        yield
    finally:
        if not stream.closed:
            stream.reconfigure(errors=before)

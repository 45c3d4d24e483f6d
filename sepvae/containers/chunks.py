"""Containers made of chunks: WAV, RF64, BW64, RIFX, AIFF, AIFC, CAF and Wave64."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sepvae.containers import extent
from sepvae.containers.contents import Contents, Order, Piece, Samples
from sepvae.containers.extent import Counted
from sepvae.errors import InputError


@dataclass(frozen=True)
class Layout:
    """How a container made of chunks is laid out.

    `samples` names the chunk of samples, which begin `skip` bytes into it; `first` is where the first chunk begins,
    `size_bytes` the width of a size, `order` its byte order; a size counts the header of its chunk if `inclusive`, and
    chunks begin at multiples of `align` bytes. The width of a frame stands `frame_at` bytes into the chunk `format`, in
    `frame_width` bytes. `others` finds the names of chunks that may follow the samples.
    """

    samples: bytes
    others: re.Pattern[bytes]
    format: bytes = b"fmt "
    frame_at: int = 12
    frame_width: int = 2
    first: int = 12
    size_bytes: int = 4
    order: Order = "little"
    inclusive: bool = False
    align: int = 2
    skip: int = 0

    @property
    def head_bytes(self) -> int:
        """Bytes of the name and size of a chunk."""
        return len(self.samples) + self.size_bytes


_RIFF_CHUNKS = re.compile(
    rb"LIST|list|fact|cue |plst|labl|note|smpl|inst|bext|cart|iXML|axml|chna|_PMX|umid|PEAK|JUNK|junk|PAD |FLLR|afsp|"
    rb"link|id3 |ID3 |DISP|acid|strc|minf|elm1|regn|slnt|SNDM|MARK|MD5 |DGDA|olym|sinf|vmsg|LGWV|CSET|qlty|mext"
)
_AIFF_CHUNKS = re.compile(
    rb"COMT|COMM|MARK|INST|MIDI|AESD|APPL|NAME|AUTH|\(c\) |ANNO|ID3 |PEAK|basc|trns|cate|FVER|CHAN"
)
_CAF_CHUNKS = re.compile(rb"pakt|chan|info|strg|mark|regn|inst|midi|ovvw|peak|edct|umid|uuid|free|kuki|desc")
_GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_WAVE64_CHUNKS = re.compile(rb"[ -~]{4}(?:" + re.escape(_GUID) + rb"|\x2f\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00)")

_WAV = Layout(b"data", _RIFF_CHUNKS)
_AIFF = Layout(b"SSND", _AIFF_CHUNKS, format=b"", order="big", skip=8)
_CAF = Layout(
    b"data",
    _CAF_CHUNKS,
    format=b"desc",
    frame_at=16,
    frame_width=4,
    first=8,
    size_bytes=8,
    order="big",
    align=1,
    skip=4,
)
_WAVE64 = Layout(
    b"data" + _GUID, _WAVE64_CHUNKS, format=b"fmt " + _GUID, first=40, size_bytes=8, inclusive=True, align=8
)
# By the containers of `sepvae.formats`.
LAYOUTS: Mapping[str, Layout] = {
    **dict.fromkeys(("WAV", "RF64", "BW64"), _WAV),
    "RIFX": replace(_WAV, order="big"),
    **dict.fromkeys(("AIFF", "AIFC"), _AIFF),
    "CAF": _CAF,
    "W64": _WAVE64,
}
_MAX_CHUNKS = 10_000
_TAIL_BYTES = 1 << 20
_MOST_32_BIT = 0xFFFF_FFFF
_MOST_32_BIT_BYTES = b"\xff\xff\xff\xff"


@dataclass
class _Header:
    """What the chunks before the samples say: where the size of the samples stands, and what it is.

    `size` is 0 until the chunk of samples is found; `long_at` is where RF64 keeps a size of 64 bits.
    """

    size_at: int = 0
    size: int = 0
    long_at: int = 0
    long_size: int = 0
    frame_bytes: int = 0
    offset: int = field(default=0)


def examine(file: BinaryIO, path: Path, layout: Layout, size: int) -> Contents:
    """Return where the samples lie, and how libsndfile is brought to read all of them.

    Raises:
        InputError: cut off, or without a chunk of samples.
    """
    header = _read_header(file, path, layout, size)
    is_long = header.long_at > 0 and header.size == _MOST_32_BIT
    width = 8 if is_long else layout.size_bytes
    value = header.long_size if is_long else header.size
    overhead = layout.skip + header.offset
    begin = header.size_at + layout.size_bytes + overhead
    value -= overhead + (layout.head_bytes if layout.inclusive else 0)
    counted = Counted(
        begin,
        value,
        width,
        layout.order,
        header.frame_bytes,
        partial(_chunks_follow, file, layout, size),
        partial(_before_chunks, file, layout, begin),
    )
    found = extent.contents(file, path, counted, size)
    samples = found.samples
    if samples is not None and found.note and 0 < samples.n_bytes % max(1, samples.frame_bytes) < layout.align:
        # Behind what the header does not count, padding is known by not filling a frame.
        samples = replace(samples, n_bytes=samples.n_bytes - samples.n_bytes % samples.frame_bytes)
        found = replace(found, samples=samples)
    if samples is None or (not _needs_view(file, layout, samples, value, size)):
        return found
    return replace(found, pieces=_mended(file, layout, header, samples, overhead))


def _read_header(file: BinaryIO, path: Path, layout: Layout, size: int) -> _Header:
    header, position = _Header(), layout.first
    for _ in range(_MAX_CHUNKS):
        if position + layout.head_bytes > size:
            break
        file.seek(position)
        name, length = file.read(len(layout.samples)), int.from_bytes(file.read(layout.size_bytes), layout.order)
        inside = file.read(32)
        if name == b"ds64":  # RF64 keeps sizes beyond 4 GiB here
            header.long_at, header.long_size = position + 16, int.from_bytes(inside[8:16], "little")
        if name == layout.format:
            field_bytes = inside[layout.frame_at : layout.frame_at + layout.frame_width]
            header.frame_bytes = int.from_bytes(field_bytes, layout.order)
        if name == layout.samples:
            header.size_at, header.size = position + len(name), length
            header.offset = int.from_bytes(inside[:4], "big") if name == b"SSND" else 0
            return header
        position += max(length, layout.head_bytes) if layout.inclusive else layout.head_bytes + length
        position += -position % layout.align
    raise InputError(f"{path}: truncated: the header names no audio data; copy the file again")


def _chunks_follow(file: BinaryIO, layout: Layout, size: int, position: int) -> bool:
    """Say whether chunks fill a file from a byte on; the last may be cut off if it is one that is known."""
    position += -position % layout.align
    for count in range(_MAX_CHUNKS):
        if position + layout.head_bytes > size:
            return count > 0 or position >= size
        file.seek(position)
        name, length = file.read(len(layout.samples)), int.from_bytes(file.read(layout.size_bytes), layout.order)
        known = layout.others.fullmatch(name) is not None
        if not known and not re.fullmatch(rb"[ -~]{4}.*", name, re.DOTALL):
            return False
        position += max(length, layout.head_bytes) if layout.inclusive else layout.head_bytes + length
        if position > size:
            return known
        position += -position % layout.align
    return False


def _before_chunks(file: BinaryIO, layout: Layout, begin: int, end: int) -> int:
    """Return where samples end that go to the byte `end`, but for known chunks that reach exactly there."""
    first = max(begin, end - _TAIL_BYTES)
    file.seek(first)
    tail = file.read(end - first)
    vain = set[int]()  # chunks from which the end is not reached
    for match in layout.others.finditer(tail):
        position, passed = match.start(), list[int]()
        while (
            position not in vain and position + layout.head_bytes <= len(tail) and layout.others.match(tail, position)
        ):
            passed.append(position)
            at = position + len(layout.samples)
            length = int.from_bytes(tail[at : at + layout.size_bytes], layout.order)
            position += max(length, layout.head_bytes) if layout.inclusive else layout.head_bytes + length
            position += -(first + position) % layout.align
        if len(tail) <= position < len(tail) + layout.align:
            return first + match.start()
        vain.update(passed)
    return end


def _needs_view(file: BinaryIO, layout: Layout, samples: Samples, declared: int, size: int) -> bool:
    """Say whether libsndfile would not read what is there: the header is wrong, or of a kind that it reads past."""
    file.seek(0)
    if samples.n_bytes != declared or file.read(4) == b"BW64":
        return True
    # It takes what follows the samples of Wave64 for more of them.
    return layout.inclusive and samples.begin + samples.n_bytes < size


def _mended(file: BinaryIO, layout: Layout, header: _Header, samples: Samples, overhead: int) -> tuple[Piece, ...]:
    """Return the pieces of a view whose header counts the samples that are there (up to 4 GiB in 32 bits)."""
    size = samples.n_bytes + overhead + (layout.head_bytes if layout.inclusive else 0)
    fields = {header.size_at: min(size, (1 << 8 * layout.size_bytes) - 1).to_bytes(layout.size_bytes, layout.order)}
    file.seek(0)
    if file.read(4) in (b"RF64", b"BW64"):
        fields[0] = b"RF64"
        if header.long_at:
            fields |= {header.long_at: size.to_bytes(8, "little"), header.size_at: _MOST_32_BIT_BYTES}
    pieces, position = list[Piece](), 0
    for at, data in sorted(fields.items()):
        pieces += [(position, at), data]
        position = at + len(data)
    end = samples.begin + samples.n_bytes
    if layout is _CAF:  # what follows may be the sizes of its packets
        file.seek(0, os.SEEK_END)
        end = file.tell()
    return (*pieces, (position, end))

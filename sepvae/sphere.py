"""NIST SPHERE headers, the format of the LDC's TIMIT: parsed to check a file, written for the demo corpus."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae.errors import InputError
from sepvae.files import write_bytes

_MAX_HEADER_BYTES = 1 << 20
_HEADER_BYTES = 1024


@dataclass(frozen=True)
class SphereHeader:
    """What a SPHERE header declares: its own size in bytes and its typed fields."""

    n_bytes: int
    fields: dict[str, str | int | float]

    @property
    def data_bytes(self) -> int | None:
        """Size of the samples in bytes as declared, or None when the header does not say."""
        fields = [self.fields.get(key) for key in ("sample_count", "sample_n_bytes", "channel_count")]
        counts = [field for field in fields if isinstance(field, int)]
        return counts[0] * counts[1] * counts[2] if len(counts) == 3 else None

    @property
    def coding(self) -> str:
        """Sample coding as declared: `pcm` when the header does not say."""
        return str(self.fields.get("sample_coding", "pcm"))


def read_header(path: Path) -> SphereHeader:
    """Parse the header of a SPHERE file.

    Raises:
        InputError: the header is cut off, malformed, or declares an absurd size.
    """
    with path.open("rb") as file:
        first = file.read(16)
        try:
            n_bytes = int(first[8:16])
        except ValueError:
            raise InputError(f"{path}: damaged SPHERE header (no header size on its second line)") from None
        if not 16 < n_bytes <= _MAX_HEADER_BYTES:
            raise InputError(f"{path}: damaged SPHERE header (declares a header of {n_bytes} bytes)")
        body = file.read(n_bytes - 16)
    if len(body) < n_bytes - 16 or b"end_head" not in body:
        raise InputError(f"{path}: truncated SPHERE header: copy the file again")
    fields: dict[str, str | int | float] = {}
    for line in body.split(b"end_head")[0].decode("ascii", "replace").splitlines():
        parts = line.split(None, 2)
        if len(parts) != 3 or line.startswith(";"):
            continue
        key, kind, value = parts
        try:
            fields[key] = int(value) if kind == "-i" else float(value) if kind == "-r" else value
        except ValueError:
            raise InputError(f"{path}: damaged SPHERE header (field {key} is {reprlib.repr(value)})") from None
    return SphereHeader(n_bytes, fields)


def write_pcm16(path: Path, samples: NDArray[np.int16], sample_rate: int, *, database: str, utterance: str) -> None:
    """Write mono 16-bit little-endian PCM under a 1024-byte SPHERE header in the field order of the LDC's TIMIT.

    Args:
        samples: (time,) int16.
        sample_rate: Hz.
        database: value of `database_id`.
        utterance: value of `utterance_id`.

    Raises:
        InputError: the names do not fit into the header, or are not ASCII.
    """
    text_fields = [("database_id", database), ("database_version", "1.0"), ("utterance_id", utterance)]
    peak = (int(samples.min()), int(samples.max())) if samples.size else (0, 0)
    lines = ["NIST_1A", f"   {_HEADER_BYTES}"]
    lines += [f"{key} -s{len(value)} {value}" for key, value in text_fields]
    lines += ["channel_count -i 1", f"sample_count -i {samples.size}", f"sample_rate -i {sample_rate}"]
    lines += [f"sample_min -i {peak[0]}", f"sample_max -i {peak[1]}"]
    lines += ["sample_n_bytes -i 2", "sample_byte_format -s2 01", "sample_sig_bits -i 16", "end_head"]
    text = "\n".join(lines) + "\n"
    if not text.isascii() or len(text) > _HEADER_BYTES:
        raise InputError(f"{path}: names in a SPHERE header are short ASCII, received {database!r} and {utterance!r}")
    header = text.encode("ascii").ljust(_HEADER_BYTES)
    write_bytes(path, header + samples.astype("<i2").tobytes())

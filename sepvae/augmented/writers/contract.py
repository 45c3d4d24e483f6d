"""What a writer of augmented speech is, and the closed table of formats."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sepvae.augmented import WRITERS
from sepvae.augmented.config import OutputConfig
from sepvae.augmented.records import Record

# Utterances whose records are files of their own: small enough that a kill costs little.
FILES_PER_BLOCK = 4


class Sink(Protocol):
    """Takes the records of one block while it is open."""

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write samples (channels, time) or features (frames, features); return the record with their place."""
        ...


@dataclass
class Block:
    """An open block: the records written so far, with their places, and the files of the block itself in `out`."""

    sink: Sink
    out: Path
    files: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record, data: NDArray[np.float32]) -> None:
        """Write one record."""
        self.records.append(self.sink.add(record, data))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file of the closed block, by which a loss of power is noticed."""
        paths = dict.fromkeys([*self.files, *(record.path for record in self.records)])
        return {path: (self.out / path).stat().st_size for path in paths}


class Writer(Protocol):
    """Writes blocks of utterances; the bytes of a block depend on its records alone, and appear whole or not at all."""

    def __init__(self, config: OutputConfig, out: Path, sample_rate: int) -> None: ...

    def block(self, number: int) -> AbstractContextManager[Block]:
        """Open the block of this number."""
        ...


def open_writer(config: OutputConfig, out: Path, sample_rate: int) -> Writer:
    """Return the writer of a format."""
    return cast("type[Writer]", WRITERS.resolve(config.format))(config, out, sample_rate)


def block_utterances(config: OutputConfig) -> int:
    """Return how many utterances make a block, which is an archive in the formats that have archives."""
    return FILES_PER_BLOCK if config.format in ("wav", "flac", "npy") else config.utterances_per_archive


def npy(features: NDArray[np.float32]) -> bytes:
    """Return an array as a file of NumPy."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()


def safe_name(text: str) -> str:
    """Return an id as a name of a file and a key of Kaldi: other than letters, digits and `_+=@,.-` become `%XX`.

    Example:
        >>> safe_name("anna b/1")
        'anna%20b%2F1'
    """
    plain = re.sub(r"[^\w+=@,.-]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), text)
    return f"%2E{plain[1:]}" if plain.startswith(".") else plain

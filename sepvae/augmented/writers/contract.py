"""What a writer of augmented speech is: it opens blocks, which take records."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sepvae.augmented.config import OutputConfig
from sepvae.augmented.records import Record


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


class RecordWriter(ABC):
    """Writes blocks of utterances; the bytes of a block depend on its records alone, and appear whole or not at all.

    `samples` and `features` say what it is able to hold, and `floats`, whether samples may be 32-bit floats; `archives`
    says that the records of a block share a file.
    """

    samples: ClassVar[bool] = False
    features: ClassVar[bool] = False
    floats: ClassVar[bool] = False
    archives: ClassVar[bool] = False

    def __init__(self, config: OutputConfig, out: Path, sample_rate: int) -> None:
        self.config, self.out, self.sample_rate = config, out, sample_rate

    @abstractmethod
    def block(self, number: int) -> AbstractContextManager[Block]:
        """Open the block of this number."""


def npy(features: NDArray[np.float32]) -> bytes:
    """Return an array as a file of NumPy."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()

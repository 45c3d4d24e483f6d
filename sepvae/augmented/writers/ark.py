"""Features in Kaldi's binary archives, one for each block, found through `feats.scp`."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae.augmented.manifests.kaldi import kaldi_id
from sepvae.augmented.records import Record
from sepvae.augmented.writers.contract import Block, RecordWriter
from sepvae.files import atomic_file


def float_matrix(matrix: NDArray[np.float32]) -> bytes:
    r"""Return a matrix (rows, columns) in Kaldi's binary form.

    Example:
        >>> float_matrix(np.zeros((1, 1), np.float32))
        b'\x00BFM \x04\x01\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x00'
    """
    rows, columns = matrix.shape
    return b"\0BFM " + struct.pack("<bibi", 4, rows, 4, columns) + matrix.astype("<f4").tobytes()


@dataclass
class _OpenArk:
    path: str
    file: BinaryIO

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        matrix = float_matrix(data)
        self.file.write(f"{kaldi_id(record)} ".encode())
        offset = self.file.tell()
        self.file.write(matrix)
        return replace(record, path=self.path, offset=offset, sha256=hashlib.sha256(matrix).hexdigest())


class Ark(RecordWriter):
    """Writes `features/<block>.ark`."""

    features: ClassVar[bool] = True
    archives: ClassVar[bool] = True

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:
        """Open a block."""
        path = f"features/{number:06}.ark"
        with atomic_file(self.out / path, durable=False) as part, part.open("wb") as file:
            yield Block(_OpenArk(path, file), self.out, [path])

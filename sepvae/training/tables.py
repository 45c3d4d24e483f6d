"""Large tables on disk: written piece by piece like any file, and mapped into memory to be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


class TableWriter:
    """Writes pieces of an open float32 table, a file of NumPy's format; all places are to be written."""

    def __init__(self, file: BinaryIO, shape: tuple[int, int]) -> None:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        self._file, self._first, self._width = file, file.tell(), shape[1]

    def write(self, row: int, values: NDArray[np.float32], *, column: int = 0) -> None:
        """Write values (rows, width) from a row on, or values (n,) from a column of it on; OSError when it is full."""
        data = np.ascontiguousarray(values, "<f4")
        self._file.seek(self._first + data.itemsize * (row * self._width + column))
        self._file.write(data.data)


@contextmanager
def writing_table(path: Path, shape: tuple[int, int]) -> Iterator[TableWriter]:
    """Open a new table (rows, width) to be written.

    What is written into mapped memory has no error to return on a full disk: the system ends the process. A file has.

    Raises:
        OSError: the disk takes no more.
    """
    with path.open("wb") as file:
        yield TableWriter(file, shape)

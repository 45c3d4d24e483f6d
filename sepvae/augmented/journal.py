"""Long JSONL files: an append-only journal that survives a kill, and access to single lines in bounded memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from sepvae.augmented.saved import damaged
from sepvae.errors import InputError, OutputError
from sepvae.files import make_folder, output_error

T = TypeVar("T")


def scan_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines of a file with their places in it; a last line without its end, torn by a kill, is not."""
    try:
        with path.open("rb") as file:
            offset = 0
            for line in file:
                if line.endswith(b"\n"):
                    yield offset, line
                offset += len(line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def parse_line(line: bytes, path: Path) -> Any:
    """Return the JSON value of a line; InputError names the file when it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"a line is not valid JSON: {error}") from error


def read_line(path: Path, offset: int) -> Any:
    """Return the JSON value of the line that starts at a place in a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return parse_line(file.readline(), path)


class Journal:
    """An open file that takes one line of JSON after the other, each of them whole in the file before `append` returns.

    A last line that a kill has torn is cut off when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        try:
            self._file = path.open("ab", buffering=0)
            kept = max((offset + len(line) for offset, line in scan_lines(path)), default=0)
            if kept < path.stat().st_size:
                os.truncate(path, kept)
        except OSError as error:
            raise output_error(path, error) from error

    def append(self, line: str) -> None:
        """Write a line, given without its end; OutputError when the disk does not take it."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            if self._file.write(data) != len(data):
                raise OutputError(f"cannot write {self._path}: the disk is full: free some space and run again")
        except OSError as error:
            raise output_error(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Lines(Sequence[T], Generic[T]):
    """The records of a JSONL file as a sequence that reads each when asked for: eight bytes of memory a record."""

    def __init__(self, path: Path, load: Any) -> None:
        self._path, self._load = path, load
        self._offsets = np.fromiter((offset for offset, _ in scan_lines(path)), np.int64)
        self._file = path.open("rb")

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        self._file.seek(int(self._offsets[index]))
        record: T = self._load(parse_line(self._file.readline(), self._path))
        return record

    def __iter__(self) -> Iterator[T]:
        for _, line in scan_lines(self._path):
            yield self._load(parse_line(line, self._path))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

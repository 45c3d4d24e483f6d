"""What a run writes for itself and reads back: a journal for each shard, which survives a kill, and long files by line.

A journal has a line for each finished block. Damage names the file and says how to start again.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from sepvae.errors import InputError, OutputError
from sepvae.files import make_folder, output_error, read_json
from sepvae.json_text import parse_json
from sepvae.reading import check_ordinary

T = TypeVar("T")

RESTART = "pass --overwrite to start again"
_BLOCK_FIELDS = {"block": int, "records": list, "failures": list, "files": dict}
# Where a line stands: its file, and its first byte.
Place = tuple[Path, int]


def damaged(path: Path, what: str) -> InputError:
    """Return the error about a file that is not as the run wrote it."""
    return InputError(f"{path}: damaged, or of another version of sepvae ({what}): {RESTART}")


def checked(value: Any, fields: Mapping[str, type], path: Path) -> dict[str, Any]:
    """Return a JSON object of a file when all `fields` are there with their types; InputError when not."""
    if not isinstance(value, dict):
        raise damaged(path, f"expected a JSON object, received {value!r:.40}")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise damaged(path, f"{name} is {value.get(name)!r:.40}" if name in value else f"{name} is missing")
    return value


def read_checked(path: Path, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return the JSON object that a file holds, as `checked` does."""
    try:
        value = read_json(path)
    except InputError as error:
        raise InputError(f"{error}: {RESTART}") from error
    return checked(value, fields, path)


def scan_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines of a file with their places in it; a last line without its end, torn by a kill, is not."""
    check_ordinary(path)
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
        return parse_json(line, "a line")
    except InputError as error:
        raise damaged(path, str(error)) from error


def loaded(load: Callable[[Any], T], line: bytes, path: Path) -> T:
    """Return what `load` makes of the JSON value of a line; InputError when the line is of another form."""
    value = parse_line(line, path)
    try:
        return load(value)
    # ValueError: a value of another type.
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(path, f"a record that is none: {reprlib.repr(value)}") from error


def read_line(path: Path, offset: int) -> Any:
    """Return the JSON value of the line that starts at a place in a file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return parse_line(file.readline(), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


class Lines(Sequence[T], Generic[T]):
    """The records of a JSONL file as a sequence that reads each when asked for: eight bytes of memory a record."""

    def __init__(self, path: Path, load: Callable[[Any], T]) -> None:
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
        return loaded(self._load, self._file.readline(), self._path)

    def __iter__(self) -> Iterator[T]:
        for _, line in scan_lines(self._path):
            yield loaded(self._load, line, self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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

    @classmethod
    def of_shard(cls, work: Path, shard: tuple[int, int]) -> Self:
        """Open the journal of a shard in the folder of a run's work."""
        return cls(work / f"journal-{shard[0]}-of-{shard[1]}.jsonl")

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


def finished_blocks(work: Path, n_blocks: int | None = None) -> dict[int, Place]:
    """Return where in the journals of all shards each finished block stands.

    A block stands there again when its files were lost. InputError when a line is of no block, or of none of the
    `n_blocks` of the plan, where they are given.
    """
    finished: dict[int, Place] = {}
    for path in sorted(work.glob("journal-*.jsonl")):
        for offset, line in scan_lines(path):
            # The number sorts first, so that the rest of a long line need not be read.
            match = re.match(rb'\{"block": (\d+),', line)
            number = int(match[1]) if match else checked(parse_line(line, path), _BLOCK_FIELDS, path)["block"]
            if n_blocks is not None and not 0 <= number < n_blocks:
                raise damaged(path, f"block {number}, the plan has {n_blocks}")
            finished[number] = (path, offset)
    return finished


def shard_of(journal: Path) -> str:
    """Return the shard that a journal is of, as `--shard` takes it.

    Example:
        >>> shard_of(Path("journal-3-of-16.jsonl"))
        '3/16'
    """
    return journal.stem.removeprefix("journal-").replace("-of-", "/")


def read_block(place: Place) -> dict[str, Any]:
    """Return what a journal says of a block: its number, records, failures, and the bytes of its files."""
    return checked(read_line(*place), _BLOCK_FIELDS, place[0])


def lost_file(block: Mapping[str, Any], out: Path) -> str | None:
    """Return the first file of a block that is not there with the size it had: a loss of power takes what is not."""
    return next((path for path, size in block["files"].items() if file_size(out / path) != size), None)


def file_size(path: Path) -> int | None:
    """Return the bytes of a file, None when it is not there."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


@contextmanager
def locked(path: Path, *, patient: bool = False, busy: str = "makes the same shard there") -> Iterator[None]:
    """Hold a lock that a kill gives back; without patience, OutputError says what another run that holds it does."""
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock = FileLock(path, timeout=-1 if patient else 0)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(f"{path.parent.parent}: another run {busy}: wait for it") from None
    except OSError as error:
        raise output_error(path, error) from error
    try:
        yield
    finally:
        lock.release()

"""What a command that was stopped has begun and done among its outputs, so that the same command goes on with it.

It is kept in a hidden file beside the outputs, which goes when all is done. Without it, nobody could tell the outputs
of this command, which may be kept or replaced, from those of another, which may not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sepvae.errors import OutputError
from sepvae.files import hash_json, make_folder, output_error, to_json
from sepvae.parts import lock, remove_left

_PREFIX, _SUFFIX = ".sepvae-", ".unfinished"


def _state(paths: Sequence[str | os.PathLike[str]]) -> list[list[int] | None]:
    """Return what changes when one of some files is written, added or removed."""
    found: list[list[int] | None] = []
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            found.append(None)
        else:
            found.append([status.st_size, status.st_mtime_ns])
    return found


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Return what is known of each item, and the bytes that hold it: a kill may have torn the last line."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}, 0
    whole = data[: data.rfind(b"\n") + 1]
    items: dict[str, dict[str, Any]] = {}
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
            items[entry["item"]] = entry
        except (ValueError, TypeError, KeyError, RecursionError):
            # Of an item that nobody knows, the outputs are somebody's.
            continue
    return items, len(whole)


class Unfinished:
    """The items of one command in a folder of outputs; made before the first is begun, and used in a `with` block.

    Args:
        folder: of the outputs.
        command: JSON that says what the command is to do and how: the same command has the same.

    Raises:
        OutputError: another process runs the same command.
    """

    def __init__(self, folder: Path, command: Any) -> None:
        self._folder = folder
        self._path = folder / f"{_PREFIX}{hash_json(command)[:16]}{_SUFFIX}"
        self._file: int | None = None
        if self._path.is_file():
            # What was being written when it was stopped lies where nobody may write again.
            remove_left(folder, below=True)
            self._open()
        self._items, n_bytes = _read(self._path)
        if self._file is not None:
            os.ftruncate(self._file, n_bytes)

    def _open(self) -> int:
        if self._file is None:
            make_folder(self._folder)
            try:
                self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o666)
            except OSError as error:
                raise output_error(self._path, error) from error
            if lock(self._file) is False:
                raise OutputError(f"{self._folder}: another process runs the same command: wait for it")
        return self._file

    @property
    def n_done(self) -> int:
        """The number of items that were done."""
        return sum("made" in entry for entry in self._items.values())

    def kept(self, item: str, inputs: Sequence[Path]) -> dict[str, Any] | None:
        """Return what `finish` was told of an item; None when it is to be done, for it never was, or files changed."""
        entry = self._items.get(item)
        if entry is None or "made" not in entry or entry["inputs"] != _state(inputs):
            return None
        made: dict[str, Any] = entry["made"]
        return made if entry["state"] == _state(entry["outputs"]) else None

    def may_replace(self, item: str) -> bool:
        """Say whether what is there of an item's outputs is of this command: half of them, or as `finish` saw them."""
        entry = self._items.get(item)
        if entry is None or "made" not in entry:
            return entry is not None
        now = zip(entry["state"], _state(entry["outputs"]), strict=True)
        return all(found in (None, before) for before, found in now)

    def begin(self, item: str) -> None:
        """Note that an item is begun, before its first output is published.

        Raises:
            OutputError: the note cannot be written.
        """
        # Who stops after this finds outputs of ours, not of the other command.
        for other in self._folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if other != self._path and item in _read(other)[0]:
                other.unlink(missing_ok=True)
        self._note({"item": item})

    def finish(self, item: str, inputs: Sequence[Path], outputs: Sequence[str | Path], made: Mapping[str, Any]) -> None:
        """Note that an item is done, from which inputs, and what is to be told of it; errors as of `begin`."""
        names = [str(path) for path in outputs]
        self._note(
            {"item": item, "inputs": _state(inputs), "outputs": names, "state": _state(names), "made": dict(made)}
        )

    def _note(self, entry: dict[str, Any]) -> None:
        data = (to_json(entry) + "\n").encode("utf-8", "backslashreplace")
        try:
            if os.write(self._open(), data) < len(data):
                raise OutputError(f"cannot write {self._path}: the disk is full: free some space")
        except OutputError:
            raise
        except OSError as error:
            raise output_error(self._path, error) from error
        self._items[entry["item"]] = entry

    def clear(self) -> None:
        """Forget all: the command is done, and its outputs are like those of any other from here on."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

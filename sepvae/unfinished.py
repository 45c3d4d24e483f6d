"""What a command that was stopped has begun and done among its outputs, so that the same command goes on with it.

It is kept in a hidden file beside the outputs, which goes when all is done. Without it, nobody could tell the outputs
of this command, which may be kept or replaced, from those of another, which may not.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sepvae.errors import InputError, OutputError
from sepvae.files import hash_json, make_folder, output_error, to_json
from sepvae.json_text import parse_json
from sepvae.parts import append_line, lock, remove_left
from sepvae.reading import check_ordinary

_PREFIX, _SUFFIX = ".sepvae-", ".unfinished"
# A line tells of one item.
_MOST_LINE = 1 << 20
_OPEN = os.O_APPEND | os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# What changes when a file is written, added or removed: its size in bytes, and when it was written, in ns.
_State = list[list[int] | None]


@dataclass(frozen=True)
class _Done:
    inputs: _State
    state: _State
    made: dict[str, Any]


def _state(paths: Iterable[str | os.PathLike[str]]) -> _State:
    found: _State = []
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            found.append(None)
        else:
            found.append([status.st_size, status.st_mtime_ns])
    return found


def _made_state(made: Mapping[str, Any]) -> _State:
    """Return the state of the outputs, in the order in which a note has their names."""
    return _state(made["outputs"][name] for name in sorted(made["outputs"]))


def _is_state(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(type(number) is int for number in found)


def _parse(line: bytes) -> tuple[str, str, _Done | None] | None:
    """Return an item, what became of it, and what is known when it is done; None where a line is none of ours."""
    try:
        entry = parse_json(line, "note")
        # What cannot be written again could not be told.
        to_json(entry)
    except (InputError, ValueError, RecursionError):
        return None
    match entry:
        case {"item": str(item), "inputs": list(inputs), "state": list(state), "made": {"outputs": dict(names)}}:
            of_form = (
                all(isinstance(name, str) for name in names.values())
                and len(state) == len(names)
                and all(map(_is_state, state))
                and all(found is None or _is_state(found) for found in inputs)
            )
            return (item, "done", _Done(inputs, state, entry["made"])) if of_form else None
        case {"item": str(item), "taken": True}:
            return item, "taken", None
        case {"item": str(item), **others} if not others:
            return item, "begun", None
    return None


def _read(path: Path) -> dict[str, _Done | None]:
    """Return what is known of each item: None of one that is begun. Of what is no note, nothing is known.

    Of an item that nobody knows, the outputs are somebody's.
    """
    items: dict[str, _Done | None] = {}
    for line in _lines(path):
        if (found := _parse(line)) is None:
            continue
        item, became, done = found
        if became == "taken":
            items.pop(item, None)
        else:
            items[item] = done
    return items


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a note, those that are too long left out."""
    try:
        check_ordinary(path)
        with path.open("rb") as file:
            is_begun = False
            for part in iter(partial(file.readline, _MOST_LINE + 1), b""):
                if not is_begun and len(part) <= _MOST_LINE:
                    yield part
                is_begun = not part.endswith(b"\n")
    except (InputError, OSError):
        return


def _notes(folder: Path) -> list[Path]:
    """Return the notes of all commands in a folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise output_error(folder, error) from error
    return sorted(folder / name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX))


def _take(path: Path, item: str, *, last: bool) -> None:
    """Say in the note of another command that an item is not its own any more; with its last, the note goes."""
    try:
        handle = os.open(path, _OPEN)
        try:
            append_line(handle, (to_json({"item": item, "taken": True}) + "\n").encode())
            # Who is at work on it goes on to write there.
            if last and lock(handle):
                path.unlink()
        finally:
            os.close(handle)
    except FileNotFoundError:
        # Its command is done, or somebody else took its last item.
        return
    except OSError as error:
        raise output_error(path, error) from error


class Unfinished:
    """The items of one command in a folder of outputs; made before the first is begun, and used in a `with` block.

    Args:
        folder: of the outputs.
        command: JSON that says what the command is to do and how: the same command has the same.
        places: other folders that it writes into. What it was writing when it was stopped is removed there and in
            `folder`, not below: who gives `-o .` may have all their files there.

    Raises:
        OutputError: another process runs the same command, or the note cannot be written.
    """

    def __init__(self, folder: Path, command: Any, places: Iterable[Path] = ()) -> None:
        self._folder = folder
        self._path = folder / f"{_PREFIX}{hash_json(command)[:16]}{_SUFFIX}"
        self._file: int | None = None
        # How the inputs of an item were before it was made.
        self._read_as: dict[str, _State] = {}
        # What other commands have begun here, by their notes; read when it matters.
        self._others: dict[Path, set[str]] | None = None
        if self._path.is_file():
            for place in (folder, *places):
                remove_left(place)
            self._open()
        self._items = _read(self._path)

    def _open(self) -> int:
        if self._file is None:
            make_folder(self._folder)
            try:
                self._file = os.open(self._path, _OPEN | os.O_CREAT, 0o666)
            except OSError as error:
                raise output_error(self._path, error) from error
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                self._close()
                raise OutputError(f"cannot write {self._path}: it is a pipe or a device: remove it")
            if lock(self._file) is False:
                self._close()
                raise OutputError(f"{self._folder}: another process runs the same command: wait for it")
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def n_done(self) -> int:
        """The number of items that were done."""
        return sum(done is not None for done in self._items.values())

    def kept(self, item: str, inputs: Sequence[Path]) -> dict[str, Any] | None:
        """Return what `finish` was told of an item; None when it is to be done, for it never was, or files changed."""
        done, self._read_as[item] = self._items.get(item), _state(inputs)
        if done is None or done.inputs != self._read_as[item] or done.state != _made_state(done.made):
            return None
        return done.made

    def may_replace(self, item: str) -> bool:
        """Say whether what is there of an item's outputs is of this command: half of them, or as `finish` saw them."""
        done = self._items.get(item)
        if done is None:
            return item in self._items
        now = zip(done.state, _made_state(done.made), strict=True)
        return all(found in (None, before) for before, found in now)

    def begin(self, item: str) -> None:
        """Note that an item is begun, before its first output is published.

        Raises:
            OutputError: the note cannot be written.
        """
        # Who stops after this finds outputs of ours, not of the other command.
        if self._others is None:
            self._others = {path: set(_read(path)) for path in _notes(self._folder) if path != self._path}
        for path, items in self._others.items():
            if item in items:
                items.remove(item)
                _take(path, item, last=not items)
        self._note({"item": item})
        self._items[item] = None

    def finish(self, item: str, inputs: Sequence[Path], made: Mapping[str, Any]) -> None:
        """Note that an item is done, from which inputs; errors as of `begin`.

        One whose inputs have changed since it was asked for by `kept` is to be done again.

        Args:
            item: what was begun.
            inputs: the files that it was made of.
            made: JSON of what is to be told of it; its `outputs` are the paths of the files by name.
        """
        done = _Done(_state(inputs), _made_state(made), dict(made))
        if self._read_as.get(item, done.inputs) != done.inputs:
            return
        self._note({"item": item, "inputs": done.inputs, "state": done.state, "made": done.made})
        self._items[item] = done

    def _note(self, entry: dict[str, Any]) -> None:
        try:
            append_line(self._open(), (to_json(entry) + "\n").encode())
        except OSError as error:
            raise output_error(self._path, error) from error

    def clear(self) -> None:
        """Forget all: the command is done, and its outputs are like those of any other from here on.

        Raises:
            OutputError: the note cannot be removed.
        """
        if sys.platform == "win32":
            # What is open cannot be removed there.
            self._close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise output_error(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

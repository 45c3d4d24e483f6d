"""What a run has done so far: one journal for each shard, a line for each finished block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sepvae.augmented.journal import Journal, parse_line, read_line, scan_lines
from sepvae.augmented.saved import checked, damaged
from sepvae.errors import OutputError
from sepvae.files import make_folder

_FIELDS = {"block": int, "records": list, "failures": list, "files": dict}
# Where a line stands: its file, and its first byte.
Place = tuple[Path, int]


def open_journal(work: Path, shard: tuple[int, int]) -> Journal:
    """Open the journal of a shard."""
    return Journal(work / f"journal-{shard[0]}-of-{shard[1]}.jsonl")


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
            number = int(match[1]) if match else checked(parse_line(line, path), _FIELDS, path)["block"]
            if n_blocks is not None and not 0 <= number < n_blocks:
                raise damaged(path, f"block {number}, the plan has {n_blocks}")
            finished[number] = (path, offset)
    return finished


def outcomes(finished: Mapping[int, Place]) -> Iterator[dict[str, Any]]:
    """Yield the lines of blocks in the order of their numbers, one at a time in memory."""
    for number in sorted(finished):
        yield _outcome(finished[number])


def _outcome(place: Place) -> dict[str, Any]:
    return checked(read_line(*place), _FIELDS, place[0])


def is_whole(place: Place, out: Path) -> bool:
    """Whether all files of a finished block are there with the size they had: a loss of power takes what is not."""
    return lost_file(_outcome(place), out) is None


def lost_file(outcome: Mapping[str, Any], out: Path) -> str | None:
    """Return the first file of a finished block that is not there with the size it had, if there is one."""
    return next((path for path, size in outcome["files"].items() if file_size(out / path) != size), None)


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
    try:
        yield
    finally:
        lock.release()

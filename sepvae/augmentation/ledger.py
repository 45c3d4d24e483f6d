"""What a run has done so far: one journal for each shard, a line for each finished block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sepvae.augmentation.journal import Journal, parse_line, read_line, scan_lines
from sepvae.errors import OutputError
from sepvae.files import make_folder

# Where a line stands: its file, and its first byte.
Place = tuple[Path, int]


def open_journal(work: Path, shard: tuple[int, int]) -> Journal:
    """Open the journal of a shard."""
    return Journal(work / f"journal-{shard[0]}-of-{shard[1]}.jsonl")


def finished_blocks(work: Path) -> dict[int, Place]:
    """Return where in the journals of all shards each finished block stands."""
    finished: dict[int, Place] = {}
    for path in sorted(work.glob("journal-*.jsonl")):
        for offset, line in scan_lines(path):
            # The number sorts first, so that the rest of a long line need not be read.
            match = re.match(rb'\{"block": (\d+),', line)
            finished[int(match[1]) if match else parse_line(line, path)["block"]] = (path, offset)
    return finished


def outcomes(finished: Mapping[int, Place]) -> Iterator[dict[str, Any]]:
    """Yield the lines of blocks in the order of their numbers, one at a time in memory."""
    for number in sorted(finished):
        yield read_line(*finished[number])


def is_whole(place: Place, out: Path) -> bool:
    """Whether all files of a finished block are there with the size they had: a loss of power takes what is not."""
    try:
        return all((out / path).stat().st_size == size for path, size in read_line(*place)["files"].items())
    except OSError:
        return False


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

"""The files that a command line names: one by one, in folders, by patterns, and in lists of them."""

from __future__ import annotations

import argparse
import fnmatch
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sepvae.errors import InputError
from sepvae.files import read_bytes
from sepvae.formats import BEGINNING_BYTES, container_of, is_audio
from sepvae.inputs import PassedOver, Tree, distinct, is_made, made_files
from sepvae.outputs import listed_outputs
from sepvae.reading import unlisted

_LOGGER = logging.getLogger(__name__)
_PATTERN = re.compile(r"[*?\[]")
# A list of a million long paths; what goes on for ever ends here.
_MAX_LIST_BYTES = 1 << 28
# What macOS leaves beside a file, on disks and in archives that know no resource forks: `._` before its name.
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_HELP = "audio files, folders of them, patterns such as '*.wav'; @FILE reads a list, and - one from stdin"


@dataclass
class Listing:
    """The files to work on, each once, as the user sees them; what was passed over; and what could not be looked at.

    `failures` are paths with a message each: folders that cannot be listed, patterns that nothing matches.
    """

    paths: list[Path] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)
    failures: list[tuple[str, str]] = field(default_factory=list)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the files that a verb reads."""
    parser.add_argument("files", nargs="+", metavar="FILE", help=_HELP)


def list_inputs(names: Sequence[str], *, out: Path | None = None) -> Listing:
    """Return the files that names on the command line stand for, and say what was passed over.

    Args:
        names: files, folders, patterns that no shell expanded, `@FILE` for a list and `-` for one on stdin.
        out: folder of the outputs: what was written there by an earlier run is no input.

    Raises:
        InputError: there is not one file, or a list cannot be read.
    """
    found = _Found(out)
    for name in names:
        found.take(name)
    listing = found.listing()
    said = listing.passed_over.describe()
    if not listing.paths:
        what = " ".join(names)
        reasons = [message for _, message in listing.failures] + ([f"passed over: {said}"] if said else [])
        if listing.passed_over.outputs:
            reasons.append("give a folder of outputs itself, and another --out, to take them")
        raise InputError("; ".join((f"{what}: no audio files found there", *reasons)))
    if said:
        _LOGGER.info("%d files taken; passed over: %s", len(listing.paths), said)
    return listing


class _Found:
    """Collects the files that names stand for."""

    def __init__(self, out: Path | None) -> None:
        self._out, self._made = out, made_files(out)
        self._listing = Listing()

    def listing(self) -> Listing:
        """Return what was found."""
        listing = self._listing
        listing.paths = distinct(listing.paths, listing.passed_over)
        listing.failures += listing.passed_over.failures()
        return listing

    def take(self, name: str, *, listed: bool = False) -> None:
        """Take what a name stands for; in a list no name stands for another list."""
        path = Path(name)
        if not name:
            self._listing.failures.append(("", "the name of a file is empty: is a variable of your script not set?"))
        elif name == "-" and not listed:
            self._take_list(_read_stdin(), "the list on stdin")
        elif name.startswith("@") and not listed and not _exists(path):
            self._take_list(read_bytes(name[1:], most_bytes=_MAX_LIST_BYTES), name[1:])
        elif not _exists(path) and _PATTERN.search(name):
            self._take_pattern(name)
        elif _is_folder(path):
            self._take_folder(path)
        else:
            self._take_file(path)

    def _take_list(self, data: bytes, where: str) -> None:
        for name in split_list(data, where):
            self.take(name, listed=True)

    def _take_file(self, path: Path) -> None:
        if is_made(path, self._made):
            self._listing.passed_over.outputs.append(str(path))
        elif path.name.startswith("._") and _start(path).startswith(_APPLE_DOUBLE):
            self._listing.passed_over.hidden.append(str(path))
        else:
            self._listing.paths.append(path)

    def _take_folder(self, root: Path) -> None:
        tree = Tree(root, out=self._out)
        for name in tree.files():
            self._take_found(root / name)
        self._listing.passed_over.add(tree.passed_over)

    def _take_found(self, path: Path) -> None:
        """Take a file that was not named itself, if it is sound by its name or its first bytes."""
        if is_made(path, self._made):
            self._listing.passed_over.outputs.append(str(path))
        elif is_audio(path.name) or container_of(_start(path)):
            self._listing.paths.append(path)
        else:
            self._listing.passed_over.others[path.suffix.lower()] += 1

    def _take_pattern(self, pattern: str) -> None:
        """Take what a pattern matches, as a shell would; of a pattern for any ending, what is sound."""
        matches = list(_expand(pattern, self._out, self._listing.passed_over))
        if not matches:
            self._listing.failures.append((pattern, f"{pattern}: no such file, and no file matches the pattern"))
        named = not _PATTERN.search(Path(pattern).suffix or "*")
        for path in matches:
            if _is_folder(path):
                self._take_folder(path)
            elif named:
                self._take_file(path)
            else:
                self._take_found(path)


def _exists(path: Path) -> bool:
    """Whether there is something of that name, a link that leads nowhere too."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL in the name
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _start(path: Path) -> bytes:
    """Return the first bytes of an ordinary file; none of what cannot be read, of which its turn tells."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(BEGINNING_BYTES)
    except (OSError, ValueError):
        return b""


def _read_stdin() -> bytes:
    """Return what comes on stdin; InputError when it is closed, or without end."""
    if sys.stdin is None:
        raise InputError("-: there is no list, stdin is closed: name the files, or pipe a list of them")
    source = getattr(sys.stdin, "buffer", None)
    data = sys.stdin.read(_MAX_LIST_BYTES).encode("utf-8", "surrogateescape") if source is None else b""
    if source is not None:
        data = source.read(_MAX_LIST_BYTES)
    if len(data) >= _MAX_LIST_BYTES:
        raise InputError(f"-: the list on stdin is longer than {_MAX_LIST_BYTES >> 20} MiB: give a part of it")
    return data


def split_list(data: bytes, where: str) -> list[str]:
    r"""Return the names in a list: one a line with any line ends, or each ended by a NUL as `find -print0` has them.

    UTF-8 and, with the mark that Windows puts first, UTF-16. A name that is no UTF-8 stays what it is on disk. Quotes
    around a name and blanks about it go where there is only a file without them.

    Raises:
        InputError: UTF-16 that is none.

    Example:
        >>> split_list(b"\xef\xbb\xbfa.wav\r\nb.wav\r\n", "list"), split_list(b"a b.wav\0c.wav\0", "list")
        (['a.wav', 'b.wav'], ['a b.wav', 'c.wav'])
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: begins like UTF-16 and is none: save it as UTF-8") from error
    else:
        text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    if "\0" in text:
        return [name for name in text.split("\0") if name.strip()]
    return [_bare(line) for line in re.split(r"\r\n|\n|\r", text) if line.strip()]


def _bare(line: str) -> str:
    bare = line.strip().strip("\"'")
    return bare if bare and not _exists(Path(line)) and _exists(Path(bare)) else line


def _expand(pattern: str, out: Path | None, passed_over: PassedOver) -> Iterator[Path]:
    """Yield what matches a pattern, in order: `*`, `?` and `[…]` in a name, `**` for any folders; no hidden names.

    What sepvae wrote below the first folder that is no pattern is passed over.
    """
    path = Path(pattern)
    depth = next(place for place, part in enumerate(path.parts) if _PATTERN.search(part))
    root, parts = Path(*path.parts[:depth]), path.parts[depth:]
    if "**" in parts:
        tree = Tree(root, out=out)
        yield from (root / name for name in tree.files() if _matches(name.split("/"), parts))
        passed_over.add(PassedOver(outputs=tree.passed_over.outputs, unread=tree.passed_over.unread))
        return
    level, outputs = [root], set[Path]()
    for number, part in enumerate(parts):
        outputs |= {place / path for place in level if number for path in listed_outputs(place)}
        found = [place / name for place in level for name in _names(place, passed_over) if _fits(name, part)]
        level = found if number == len(parts) - 1 else [place for place in found if _is_folder(place)]
    passed_over.outputs += [str(path) for path in level if path in outputs]
    yield from (path for path in level if path not in outputs)


def _names(folder: Path, passed_over: PassedOver) -> list[str]:
    """Return the names in a folder, sorted; one that cannot be listed is remembered."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        passed_over.unread[str(folder)] = unlisted(error)
        return []


def _fits(name: str, part: str) -> bool:
    """Whether a name matches a part of a pattern; hidden ones want their dot."""
    return (part.startswith(".") or not name.startswith(".")) and fnmatch.fnmatch(name, part)


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the names of a path match the parts of a pattern, where `**` is any number of folders."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_matches(names[place:], parts[1:]) for place in range(len(names) + 1))
    return bool(names) and _fits(names[0], parts[0]) and _matches(names[1:], parts[1:])

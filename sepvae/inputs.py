"""Which files are meant: the one way of all verbs to go through folders, and what is passed over on the way.

Names are those that the user sees, behind links too. Each folder is gone through once, so that links in a circle end.
What sepvae wrote itself is no input.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sepvae.formats import is_audio
from sepvae.outputs import LIST_NAME, listed_outputs
from sepvae.reading import unlisted

# Examples that a message names.
_NAMED = 5


@dataclass
class PassedOver:
    """What lies in the folders gone through, and is not taken: paths as the user sees them.

    `hidden` have names that begin with a dot, files and folders; `outputs` were written by sepvae; `twice` are folders
    that a link leads to a second time, and files that were named twice. `unread` are folders that cannot be listed,
    with the reason: what is in them is lost, which is an error. `others` counts files that are no sound by their
    ending, where sound was asked for.
    """

    hidden: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        """Return what was passed over, counted, in one line; empty when there is nothing to say.

        Example:
            >>> PassedOver(hidden=["in/._a.wav"], others=Counter({".txt": 2})).describe()
            'no sound by name: 2 (2 .txt); hidden: 1 (in/._a.wav)'
        """
        kinds = [f"{number} {ending or 'without an ending'}" for ending, number in self.others.most_common()]
        parts = [f"no sound by name: {self.others.total()} ({_examples(kinds)})"] if kinds else []
        for what, paths in (("written by sepvae", self.outputs), ("there before", self.twice), ("hidden", self.hidden)):
            if paths:
                parts.append(f"{what}: {len(paths)} ({_examples(paths)})")
        return "; ".join(parts)

    def add(self, more: PassedOver) -> None:
        """Add what was passed over elsewhere."""
        self.hidden += more.hidden
        self.outputs += more.outputs
        self.twice += more.twice
        self.unread |= more.unread
        self.others += more.others

    def failures(self) -> list[tuple[str, str]]:
        """Return the folders that cannot be listed, each with a message that says why and what to do."""
        return [(path, f"{path}: cannot be listed: {why}") for path, why in sorted(self.unread.items())]


def _examples(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")


class Tree:
    """The visible files in a folder and the folders inside it, links to folders followed.

    Each folder is gone through once, under its own place before those of links to it. What sepvae wrote is left out,
    but for a folder that holds nothing else: whoever gives that one means it.

    Args:
        root: the folder.
        out: where the outputs of this run go: what stands in its list is left out in any case.
        with_outputs: take what sepvae wrote too: outputs are what is asked for.
    """

    def __init__(self, root: Path, *, out: Path | None = None, with_outputs: bool = False) -> None:
        self.root, self._with_outputs = root, with_outputs
        self.passed_over = PassedOver()
        self._made = made_files(out)

    def walk(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder as the prefix of its files (`` or `a/b/`), and the names of its files in order.

        What is no folder counts as a file, pipes, devices and links that lead nowhere among them: who opens them says
        so. The outputs that the list in `root` itself names are among them; see `files`.
        """
        self.passed_over = PassedOver()
        seen: set[tuple[int, int]] = set()
        outputs: set[str] = set()
        # The last is next. Links wait below all others: a folder is known by its own place where it has one.
        waiting = [""]
        links: list[str] = []
        while waiting or links:
            prefix = waiting.pop() if waiting else links.pop(0)
            found = self._look_into(prefix, seen)
            if found is None:
                continue
            folders, linked, names = found
            if prefix and LIST_NAME in names and not self._with_outputs:
                outputs |= {prefix + path for path in listed_outputs(self.root / prefix)}
            waiting += [f"{prefix}{name}/" for name in reversed(folders)]
            links += [f"{prefix}{name}/" for name in linked]
            yield prefix, self._without_outputs(prefix, names, outputs)

    def files(self) -> list[str]:
        """Return the files as sorted paths below the root, with forward slashes."""
        found = sorted(prefix + name for prefix, names in self.walk() for name in names)
        own = frozenset[str]() if self._with_outputs else listed_outputs(self.root)
        kept = [path for path in found if path not in own]
        if any(is_audio(path) for path in kept) and len(kept) < len(found):
            self.passed_over.outputs += [self._shown(path) for path in found if path in own]
            return kept
        return found

    def _look_into(self, prefix: str, seen: set[tuple[int, int]]) -> tuple[list[str], list[str], list[str]] | None:
        """Return the names of the folders, linked folders and files in a folder; None when it is not gone through."""
        folder = self.root / prefix
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                self.passed_over.twice.append(self._shown(prefix))
                return None
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                names = sorted((entry.name, *_kind(entry)) for entry in entries)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            self.passed_over.unread[self._shown(prefix)] = unlisted(error)
            return None
        self.passed_over.hidden += [self._shown(prefix + name) for name, *_ in names if name.startswith(".")]
        visible = [one for one in names if not one[0].startswith(".")]
        return (
            [name for name, is_folder, is_link in visible if is_folder and not is_link],
            [name for name, is_folder, is_link in visible if is_folder and is_link],
            [name for name, is_folder, _ in visible if not is_folder],
        )

    def _without_outputs(self, prefix: str, names: list[str], outputs: set[str]) -> list[str]:
        """Return the names in a folder without those of outputs and of their list."""
        kept, real = [], os.path.realpath(self.root / prefix) if self._made else ""
        for name in names:
            if prefix + name in outputs or os.path.join(real, name) in self._made:
                self.passed_over.outputs.append(self._shown(prefix + name))
            elif name != LIST_NAME:
                kept.append(name)
        return kept

    def _shown(self, path: str) -> str:
        return str(self.root / path) if path else str(self.root)


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Return whether an entry is a folder, and whether it is a link; a link to itself is no folder."""
    try:
        return entry.is_dir(), entry.is_symlink()
    except OSError:
        return False, True


def made_files(out: Path | None) -> frozenset[str]:
    """Return what the list of a folder of outputs names, as real paths, for `is_made`."""
    if out is None:
        return frozenset()
    root = os.path.realpath(out)
    return frozenset(os.path.join(root, *path.split("/")) for path in listed_outputs(out))


def is_made(path: Path, made: frozenset[str]) -> bool:
    """Whether a file is one of `made`, by whichever links its folder is reached."""
    return bool(made) and os.path.join(os.path.realpath(path.parent), path.name) in made


def as_seen(path: Path) -> Path:
    """Return the absolute path of a file with the names that the user sees: no link is followed, but before `..`."""
    if ".." in path.parts:
        return Path(os.path.realpath(path.parent)) / path.name
    return path.absolute()


def distinct(paths: Iterable[Path], passed_over: PassedOver) -> list[Path]:
    """Return the files without those that were there before, by whichever way their folder was named."""
    kept: dict[str, Path] = {}
    for path in paths:
        place = os.path.join(os.path.realpath(path.parent), path.name)
        if kept.setdefault(place, path) is not path:
            passed_over.twice.append(str(path))
    return list(kept.values())


def name_bytes(name: str) -> bytes:
    """Return a file name, or a part of one, as the bytes that it is on disk."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a letter, from a name of Windows or from JSON
        return name.encode("utf-8", "surrogatepass")

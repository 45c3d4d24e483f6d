"""Which corpus a run is of: told from its files without reading them all, so that every shard can afford to look."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae.augmented.saved import checked
from sepvae.corpora.listing import list_files
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError
from sepvae.files import hash_json

# Two versions of a corpus, such as clean and noisy, often have the same names and sizes: some files are looked into.
_PROBES, _PROBE_BYTES = 8, 1 << 16
_FIELDS = {"root": str, "kind": str, "n_files": int, "files_hash": str}


@dataclass(frozen=True)
class Identity:
    """The folder, layout and number of files of a corpus, and a hash over their names, sizes and some contents."""

    root: str
    kind: str
    n_files: int
    files_hash: str

    def is_same(self, found: Identity) -> bool:
        """Whether both are one corpus, which may have been moved as a whole."""
        return (self.kind, self.files_hash) == (found.kind, found.files_hash)

    def check(self, found: Identity, folder: Path) -> None:
        """Raise ConfigError when the run in `folder`, which is of this corpus, is to go on with another one."""
        if self.is_same(found):
            return
        advice = "choose another folder, or pass --overwrite"
        if (self.kind, self.root) == (found.kind, found.root):
            raise ConfigError(
                f"{folder}: the corpus {self.root} has changed since this run was planned (it had {self.n_files} files "
                f"and has {found.n_files}, or some have other sizes): put it back as it was, {advice}"
            )
        raise ConfigError(
            f"{folder}: holds a run of the corpus {self.root} (read as {self.kind}), not of {found.root} "
            f"(read as {found.kind}): {advice}"
        )

    @classmethod
    def from_json(cls, value: Any, path: Path) -> Identity:
        """Return the identity that `to_json` made a value of; InputError when the file `path` holds another value."""
        checked(value, _FIELDS, path)
        return cls(**{name: value[name] for name in _FIELDS})

    def to_json(self) -> dict[str, Any]:
        """Return the identity as a JSON value."""
        return asdict(self)


def identify(corpus: Corpus) -> Identity:
    """Return the identity of a corpus on disk: a call of `stat` for each visible file, and a few files read."""
    files = list_files(corpus.root)
    return Identity(str(corpus.root.resolve()), corpus.name, len(files), _hash(corpus.root, files))


def hash_contents(place: Path) -> str:
    """Return a hash over a file, or over names, sizes and some contents of the visible files of a folder."""
    return _hash(place, list_files(place)) if place.is_dir() else _hash(place.parent, [place.name])


def _hash(root: Path, files: Sequence[str]) -> str:
    sizes = [[path, _size(root / path)] for path in files]
    return hash_json([sizes, [_start(root / path) for path in files[:: max(len(files) // _PROBES, 1)]]])


def _size(path: Path) -> int:
    """Return the bytes of a file; a link that leads nowhere is for the reader of the corpus to report."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _start(path: Path) -> str:
    """Return a hash of the first bytes of a file; one that cannot be read is for the reader of the corpus to report."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_PROBE_BYTES)).hexdigest()
    except OSError:
        return ""

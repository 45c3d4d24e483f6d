"""What decides the bytes of a run: its corpus, its settings with the files they name, its model; and hashes of them.

A corpus is recognised by its files without reading them all, so that every shard can afford to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.journal import checked
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError
from sepvae.files import hash_file, hash_json
from sepvae.inputs import Tree
from sepvae.progress import counting

# Two versions of a corpus, such as clean and noisy, often have the same names and sizes: some files are looked into.
_PROBES, _PROBE_BYTES = 8, 1 << 16
_SNAPSHOT_FIELDS = {"root": str, "kind": str, "n_files": int, "files_hash": str}
# Settings of augmentations that name a place on disk.
_FOLDER, _FILE = "folder", "file"


@dataclass(frozen=True)
class CorpusSnapshot:
    """The folder, layout and number of files of a corpus, and a hash over their names, sizes and some contents."""

    root: str
    kind: str
    n_files: int
    files_hash: str

    @classmethod
    def take(cls, corpus: Corpus) -> CorpusSnapshot:
        """Return that of a corpus on disk: a call of `stat` for each visible file, and a few files read."""
        files = Tree(corpus.root).files()
        return cls(str(corpus.root.resolve()), corpus.name, len(files), _hash(corpus.root, files))

    def is_same(self, found: CorpusSnapshot) -> bool:
        """Whether both are of one corpus, which may have been moved as a whole."""
        return (self.kind, self.files_hash) == (found.kind, found.files_hash)

    def check(self, found: CorpusSnapshot, folder: Path) -> None:
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
    def from_json(cls, value: Any, path: Path) -> CorpusSnapshot:
        """Return what `to_json` made a value of; InputError when the file `path` holds another value."""
        checked(value, _SNAPSHOT_FIELDS, path)
        return cls(**{name: value[name] for name in _SNAPSHOT_FIELDS})

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return asdict(self)


def fingerprint(config: AugmentConfig, root: Path, model_hash: str | None) -> str:
    """Return the hash of everything but the corpus, which lies at `root`, that decides the bytes of a run.

    What settings name on disk counts by what it holds, and not by where it lies.
    """
    value = config.model_dump(mode="json")
    for settings, key, place in _named(value["settings"], root):
        settings[key] = _hash(place, Tree(place).files()) if place.is_dir() else _hash(place.parent, [place.name])
    return hash_json({"version": 2, "config": value, "model": model_hash})


def with_absolute_paths(config: AugmentConfig, root: Path) -> dict[str, Any]:
    """Return the settings as JSON, the same for a worker anywhere; a target in the corpus stays relative to `root`."""
    value = config.model_dump(mode="json")
    for settings, key, place in _named(value["settings"], root):
        if key == _FOLDER or not place.is_relative_to(root):
            settings[key] = str(place.resolve())
    return value


def _named(settings: Mapping[str, Any], root: Path) -> Iterator[tuple[dict[str, Any], str, Path]]:
    """Yield the settings of augmentations that name a folder or a file, under which key, and where that is."""
    for own in settings.values():
        if own.get(_FOLDER):
            yield own, _FOLDER, Path(own[_FOLDER])
        if own.get(_FILE):
            inside = root / own[_FILE]
            yield own, _FILE, inside if inside.exists() else Path(own[_FILE])


def named_anywhere(value: Any, root: Path) -> Iterator[Path]:
    """Yield what settings may name as files and folders, those for classes of other libraries among them."""
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from named_anywhere(item, root)
    elif isinstance(value, str) and value and "\0" not in value:
        yield from (Path(value), root / value)


def hash_model(model: Path) -> str:
    """Return a hash over what of a model decides: config, weights and basis; CheckpointError when there is none."""
    from sepvae.augmentation.basis import BASIS, BASIS_FACTS
    from sepvae.estimator.folder import find_model_folder
    from sepvae.estimator.folder_names import CONFIG, WEIGHTS

    folder = find_model_folder(model)
    files = [folder / name for name in (CONFIG, WEIGHTS, BASIS, BASIS_FACTS)]
    return hash_json({path.name: hash_file(path) for path in files if path.is_file()})


def _hash(root: Path, files: Sequence[str]) -> str:
    sizes = [[path, _size(root / path)] for path in counting(f"looking at {root.name}", files, unit="files")]
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
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_PROBE_BYTES)).hexdigest()
    except OSError:
        return ""

"""What the settings of a run name on disk: apart from the result, and the same for a worker or a shard anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.identity import hash_contents

_FOLDER, _FILE = "folder", "file"


def absolute(config: AugmentConfig, root: Path) -> dict[str, Any]:
    """Return the settings as JSON with absolute paths; a target in the corpus at `root` stays relative to it."""
    value = config.model_dump(mode="json")
    for settings, key, place in _named(value["settings"], root):
        if key == _FOLDER or not place.is_relative_to(root):
            settings[key] = str(place.resolve())
    return value


def by_contents(config: AugmentConfig, root: Path) -> dict[str, Any]:
    """Return everything that decides the result as JSON, with hashes of what is there in place of paths.

    Raises:
        ConfigError: as of `AugmentConfig.resolved`.
    """
    value = config.resolved()
    for settings, key, place in _named(value["settings"], root):
        settings[key] = hash_contents(place)
    return value


def _named(settings: Mapping[str, Any], root: Path) -> Iterator[tuple[dict[str, Any], str, Path]]:
    """Yield the settings of methods that name a folder or a file, under which key, and where that is."""
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

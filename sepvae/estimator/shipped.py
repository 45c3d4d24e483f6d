"""The models that come with sepvae, known by a name and a version: `any-talkers`, or pinned, `any-talkers@1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepvae.errors import CheckpointError
from sepvae.estimator.folder_names import CONFIG
from sepvae.files import read_json, resource

# What a card adds to the facts of a model, in its provenance.
CARD_KEY = "card"
_FOLDER = "shipped"
_NAME = re.compile(r"(?P<name>[\w-]+)(@(?P<version>\d+))?")


def shipped_models() -> dict[str, Path]:
    """Return the folders of the models that come with sepvae, by name."""
    folder = resource(_FOLDER)
    if not folder.is_dir():
        return {}
    return {one.name: one for one in sorted(folder.iterdir()) if (one / CONFIG).is_file()}


def find_shipped(name: str) -> Path | None:
    """Return the folder of a model that comes with sepvae, None where nothing of that name does.

    Args:
        name: such as `any-talkers` or `any-talkers@1`.

    Raises:
        CheckpointError: it comes in another version.
    """
    match = _NAME.fullmatch(name)
    folder = shipped_models().get(match["name"]) if match else None
    if match is None or folder is None:
        return None
    version = read_json(folder / CONFIG)["version"]
    if match["version"] is not None and int(match["version"]) != version:
        raise CheckpointError(
            f"{name}: this sepvae comes with {match['name']}@{version}: install the one that has it, or leave the "
            f"version out to take {match['name']}@{version}"
        )
    return folder


def pinned_name(folder: Path) -> str:
    """Return name and version of a model that comes with sepvae, such as `any-talkers@1`."""
    return f"{folder.name}@{read_json(folder / CONFIG)['version']}"


def read_card(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return what the card of a model says that is to be shown, by heading; empty for one that has none."""
    card = provenance.get(CARD_KEY)
    return {str(key): str(value) for key, value in card.items()} if isinstance(card, Mapping) else {}

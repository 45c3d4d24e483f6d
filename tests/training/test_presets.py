"""Presets: each can be trained, and none says what is so without it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import sepvae.presets
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.models import MODELS
from sepvae.presets import preset_names
from sepvae.settings import preset, read_mapping
from sepvae.training.config import TrainingConfig

FOLDER = Path(sepvae.presets.__file__).parent
# What a choice is of is always said, and includes are no values.
SAID = ("kind", "include")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_trained(name: str) -> None:
    assert parse_config(TrainingConfig, preset(name), where=name).model.kind in MODELS


def values(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to each value."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from values(value, (*path, key))
        elif key not in SAID:
            yield (*path, key)


def idle(folder: Path, name: str) -> list[str]:
    """Return the keys of a preset without which it would be the same."""
    file = folder / f"{name}.yaml"
    written, whole = yaml.safe_load(file.read_text()), read_mapping(file)
    found = []
    for path in values(written):
        cut = copy.deepcopy(written)
        place = cut
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        file.write_text(yaml.safe_dump(cut))
        try:
            rest = parse_config(TrainingConfig, read_mapping(file), where=name)
        except ConfigError:
            # Without it nothing could be trained.
            continue
        if rest == parse_config(TrainingConfig, whole, where=name):
            found.append(".".join(path))
    file.write_text(yaml.safe_dump(written))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the presets that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "presets", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_repeats_a_default_or_what_it_includes(folder: Path, name: str) -> None:
    assert idle(folder, name) == []


def test_repetitions_are_seen(folder: Path) -> None:
    text = "include: gan.yaml\nmask: ratio\nobjective: {settings: {game: wgan, penalty: 5.0}}\n"
    (folder / "wgan.yaml").write_text(text)
    # What the preset includes, and a default; `game` is other than both.
    assert idle(folder, "wgan") == ["mask", "objective.settings.penalty"]

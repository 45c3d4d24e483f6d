"""What a fuzz needs: a small world of sound files of every kind that the program reads, and ways to spoil them."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.mixing.manifest import Header, Manifest, write_manifest
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.training.config import TrainingConfig, fresh_checkpoint

from ..conftest import RATE, make_mixture
from ..made_results import SDR, made_results

RECIPE: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "mixing": {"duration_s": [0.5, 1], "snr_db": 0, "room": {"size_m": [4, 3.5, 2.6], "rt60_s": 0.15}},
    "systems": {"floor": {"kind": "mixture"}, "nmf": {"kind": "nmf", "settings": {"n_atoms": 4}}},
    "grid": [{"system": "nmf", "cells": {"few": {"n_atoms": 4}, "more": {"n_atoms": 8}}}],
    "cases": {"dry": {"description": "dry", "mixing": {"room": None}}, "wet": {"mixing": {"sample_rate": 8000}}},
    "quick": {"mixing": {"n_train": 2}, "systems": {"nmf": {"settings": {"fit_iterations": 3}}}},
    "hypotheses": [
        {"claim": "c", "system": "nmf_few", "others": ["floor"], "direction": "equal", "margin": 0.5, "measure": SDR}
    ],
    "published": [{"system": "nmf_few", "measure": SDR, "value": 5.0, "source": "s"}],
    "notes": ["n"],
}
TINY = {
    "model": {"kind": "dense_vae", "settings": {"hidden": [4], "latent": 2}},
    "objective": {"kind": "elbo"},
    "frontend": {"sample_rate": RATE, "stft": {"window_ms": 4, "hop_ms": 2}},
    "optimiser": {"epochs": 1, "batch_size": 8},
}
# In the place of any value: what is too large, too small, of another type, or no text that can be printed.
ODD: list[Any] = [
    *(10**18, -1, 0, 10**30, int("9" * 90), 1e9, 1e300, -1e300, 1e-300, 0.5, True, None, "", "x", "../../x", "a\0b"),
    *("\ud800", "nan", "x" * 10_000, [], [[]], [1] * 1000, {}, {"a": {"b": [1]}}, {"kind": "x"}, ["x"], {"": 0}),
]


@dataclass(frozen=True)
class World:
    """Folders and files that are sound, to be copied and spoiled."""

    folder: Path

    def copy(self, to: Path) -> World:
        """Return the same in another folder, in the place of what is there."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to)
        return World(to)

    def __getattr__(self, name: str) -> Path:
        """Return a file or folder by its name, with `_` for the dot."""
        return self.folder / name.replace("_", ".")


def make_world(folder: Path) -> World:
    """Make a recording, mixtures with their manifest, a model, a recipe, and the results of a run."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    mixtures = [make_mixture(corpus, number, split) for number, split in enumerate(("train", "train", "valid", "test"))]
    write_manifest(folder / "mixtures.jsonl", Manifest(Header(), tuple(mixtures)))
    wave = 0.1 * np.random.default_rng(0).standard_normal((1, RATE // 2))
    audio.write(folder / "a.wav", wave.astype(np.float32), sample_rate=RATE)
    config = parse_config(TrainingConfig, TINY, where="test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder / "model", fresh_checkpoint(config, ["hum", "hiss"]), provenance={})
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    (folder / "settings.yaml").write_text(yaml.safe_dump(TINY))
    recipe = load_recipe(folder / "recipe.yaml")
    assert isinstance(recipe, SeparationRecipe)
    results = made_results(recipe, {"floor": 0.0, "nmf_few": 5.0, "nmf_more": 6.0})
    (folder / "run").mkdir()
    (folder / "run" / "results.json").write_text(json.dumps(results))
    return World(folder)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a value, itself first."""
    yield above
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*above, key))


def spoiled(data: st.DataObject, value: Any) -> Any:
    """Return a value with one to three of its parts exchanged, removed, added to or put elsewhere."""
    whole = {"": copy.deepcopy(value)}
    for _ in range(data.draw(st.integers(1, 3))):
        path = ("", *data.draw(st.sampled_from(list(places(whole[""])))))
        place: Any = whole
        for key in path[:-1]:
            place = place[key]
        kind = data.draw(st.sampled_from(["odd", "odd", "odd", "remove", "add", "swap", "nest"]))
        if kind == "odd":
            place[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        elif kind == "remove" and len(path) > 1:
            del place[path[-1]]
        elif kind == "add" and isinstance(place[path[-1]], dict):
            place[path[-1]][data.draw(st.sampled_from(["x", "", "kind", "settings", "include", "é"]))] = 1
        elif kind == "swap" and isinstance(place[path[-1]], list):
            place[path[-1]] = place[path[-1]] * 2
        elif kind == "nest":
            place[path[-1]] = [place[path[-1]]]
    return whole[""]


def cut(data: st.DataObject, content: bytes) -> bytes:
    """Return bytes with some changed, cut or inserted anywhere."""
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 40)))
    return content[:start] + data.draw(st.binary(max_size=20)) + content[stop:]


def spoil_json(data: st.DataObject, path: Path) -> None:
    """Spoil a file of JSON in one of its values, or in its bytes."""
    if data.draw(st.integers(0, 4)) == 0:
        path.write_bytes(cut(data, path.read_bytes()))
    else:
        path.write_text(json.dumps(spoiled(data, json.loads(path.read_text()))))


def spoil_yaml(data: st.DataObject, path: Path) -> None:
    """Spoil a file of YAML in one of its values, or in its bytes."""
    if data.draw(st.integers(0, 4)) == 0:
        path.write_bytes(cut(data, path.read_bytes()))
    else:
        value = spoiled(data, yaml.safe_load(path.read_text()))
        # JSON is YAML too, and has what YAML's writer refuses.
        path.write_text(json.dumps(value))


def spoil_lines(data: st.DataObject, path: Path) -> None:
    """Spoil a record of a file of JSON Lines, or its bytes."""
    lines = path.read_text().splitlines()
    if data.draw(st.integers(0, 4)) == 0:
        path.write_bytes(cut(data, path.read_bytes()))
        return
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = json.dumps(spoiled(data, json.loads(lines[number])))
    path.write_text("\n".join(lines) + "\n")


def spoil_bytes(data: st.DataObject, path: Path) -> None:
    """Spoil the bytes of a file."""
    path.write_bytes(cut(data, path.read_bytes()))


Spoil = Callable[[st.DataObject, Path], None]

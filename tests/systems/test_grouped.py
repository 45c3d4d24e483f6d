"""A system per group: each learns from its own mixtures alone, and separates those of its group alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.systems.contract import System, SystemChoice, TrainingMixtures
from sepvae.systems.grouped import Grouped
from sepvae.training.loop import TrainingData


def make_nmf() -> System[Any]:
    settings = {"n_atoms": 4, "train_iterations": 20, "fit_iterations": 20}
    return SystemChoice.of("nmf", settings).build(sample_rate=8000)


def grouped(mixtures: list[Mixture], cut: int) -> list[Mixture]:
    return [m.model_copy(update={"group": "a" if place < cut else "b"}) for place, m in enumerate(mixtures)]


def test_each_group_is_learnt_and_separated_by_itself(humming: TrainingData, tmp_path: Path) -> None:
    train, valid = grouped(humming.train, 2), grouped(humming.valid, 1)
    system = Grouped(make_nmf, sample_rate=8000)
    system.train(TrainingMixtures(train, valid, humming.root, seed=0, device="cpu", shared=tmp_path), tmp_path / "all")
    system.load(tmp_path / "all", device="cpu")
    # In turn, so that a system which stays loaded for the next mixture is found out.
    for mixture in (*valid, valid[0]):
        alone, folder = make_nmf(), tmp_path / "alone" / str(mixture.group)
        own = [one for one in train if one.group == mixture.group]
        folder.mkdir(parents=True, exist_ok=True)
        alone.train(TrainingMixtures(own, [], humming.root, seed=0, device="cpu", shared=tmp_path), folder)
        alone.load(folder, device="cpu")
        item = render(mixture, humming.root)
        expected, found = alone.separate(item), system.separate(item)
        assert all(np.array_equal(found[name], expected[name]) for name in item.sources)
    one, two = (
        system.separate(render(m, humming.root)) for m in (valid[0], valid[0].model_copy(update={"group": "b"}))
    )
    assert not np.array_equal(one["hum"], two["hum"])


def test_what_is_missing_is_named(humming: TrainingData, tmp_path: Path) -> None:
    system = Grouped(make_nmf, sample_rate=8000)
    item = render(humming.valid[0], humming.root)
    with pytest.raises(ConfigError, match="call load first"):
        system.separate(item)
    system.load(tmp_path, device="cpu")
    with pytest.raises(InputError, match="some mixtures of the manifest have a group and some have none"):
        system.separate(item)

"""What an objective on labels is given: mixtures, which sources are in each, and never a source of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sepvae.config import parse_config
from sepvae.errors import InputError
from sepvae.mixing.mixture import render
from sepvae.training.batches import BatchPlace
from sepvae.training.config import TrainingConfig, fresh_checkpoint
from sepvae.training.frame_batches import FrameBatches
from sepvae.training.loop import TrainingData, train

SETTINGS: dict[str, Any] = {
    "frontend": {"sample_rate": 8000},
    "model": {"kind": "dense_vae", "settings": {"hidden": [8], "latent": 2}},
    "objective": {"kind": "weak_class", "settings": {"beta": 0.1}},
    "optimiser": {"epochs": 2, "batch_size": 64},
}


def batches(data: TrainingData, cache: Path, **changes: Any) -> FrameBatches:
    config = parse_config(TrainingConfig, {**SETTINGS, **changes}, where="test")
    estimator = fresh_checkpoint(config, ["hum", "hiss"]).estimator
    place = BatchPlace(seed=0, rank=0, world=1, device=torch.device("cpu"))
    return FrameBatches(config, estimator, (data.train, data.valid), root=data.root, cache=cache, place=place)


def test_labels_stand_in_for_targets(humming: TrainingData, tmp_path: Path) -> None:
    made = batches(humming, tmp_path)
    n_mixtures = len(humming.train)
    # A mixture of both, and one of each that nothing else is in.
    assert len(made.table.items) == 3 * n_mixtures
    seen: set[tuple[bool, bool]] = set()
    for step in range(made.steps_per_pass):
        batch = made.draw(step)
        assert batch.targets == {}
        seen |= set(zip(batch.present["hum"].tolist(), batch.present["hiss"].tolist(), strict=True))
    assert seen == {(True, True), (True, False), (False, True)}
    for batch, *_ in made.validation():
        assert batch.targets == {} and set(batch.present) == {"hum", "hiss"}


def test_a_mixture_of_one_class_is_no_source_of_another_mixture(humming: TrainingData, tmp_path: Path) -> None:
    made = batches(humming, tmp_path)
    frontend = fresh_checkpoint(parse_config(TrainingConfig, SETTINGS, where="t"), ["hum", "hiss"]).estimator
    clean = [
        frontend.frontend.target(frontend.frontend.stft.analyse(torch.from_numpy(wave)))
        for mixture in humming.train
        for wave in render(mixture, humming.root).sources.values()
    ]
    for index, name in enumerate(made.table.items):
        if not name.endswith(("-hum", "-hiss")):
            continue
        first, count = int(made.table.first_row[index]), int(made.table.n_frames[index])
        heard = made.table.input[first : first + count]
        assert not any(one.shape == heard.shape and torch.allclose(one, heard, atol=1e-3) for one in clean)


def test_other_objectives_are_given_targets_and_no_more_mixtures(humming: TrainingData, tmp_path: Path) -> None:
    made = batches(humming, tmp_path, objective={"kind": "elbo"})
    assert len(made.table.items) == len(humming.train)
    batch = made.draw(0)
    assert set(batch.targets) == {"hum", "hiss"} and batch.present == {}


def test_it_trains(humming: TrainingData, tmp_path: Path) -> None:
    found = train(parse_config(TrainingConfig, SETTINGS, where="test"), humming, tmp_path, device="cpu")
    assert found.config.sources == ("hum", "hiss")


def test_one_mixture_tells_nothing_apart(humming: TrainingData, tmp_path: Path) -> None:
    one = TrainingData(humming.train[:1], [], humming.root)
    with pytest.raises(InputError, match="source hiss: is heard in one training mixture alone"):
        batches(one, tmp_path)

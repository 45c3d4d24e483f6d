"""Steps and validation that give NaN: skipped, named, and ended when they do not stop; gradients clipped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from sepvae.errors import ConfigError, InputError
from sepvae.files import read_json
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import Trainer, TrainingData

Make = Callable[..., TrainingConfig]


def poison(trainer: Trainer, item: str) -> None:
    """Make the features of one mixture NaN, behind the back of the check on the way in."""
    index = trainer.batches.table.items.index(item)
    first, count = int(trainer.batches.table.first_row[index]), int(trainer.batches.table.n_frames[index])
    trainer.batches.table.input[first : first + count] = torch.nan


def test_steps_that_give_nan_are_skipped_and_named(
    make_config: Make, humming: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(batch_size=8, max_bad_steps=1000)
    trainer = Trainer(config, humming, tmp_path / "run", seed=0, device="cpu")
    poison(trainer, "train-3")
    state = trainer.run()
    assert state.finished
    assert all(
        torch.isfinite(tensor).all() for tensor in load_file(tmp_path / "run" / "model" / "model.safetensors").values()
    )
    assert all(math.isfinite(value) for row in state.history for value in row.values())
    bad = read_json(tmp_path / "run" / "bad_steps_0.json")
    assert 0 < len(bad) < state.step
    assert all("train-3" in entry["items"] for entry in bad)
    assert "skipped: loss or gradient is not finite; mixtures:" in caplog.text


def test_too_many_bad_steps_in_a_row_end_the_run(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    one = TrainingData(humming.train[:1], [], humming.root)
    trainer = Trainer(make_config(max_bad_steps=2), one, tmp_path / "run", seed=0, device="cpu")
    poison(trainer, "train-0")
    with pytest.raises(InputError, match=r"stopped at step 2: 3 steps in a row .*; mixtures: train-0 .*bad_steps"):
        trainer.run()
    assert len(read_json(tmp_path / "run" / "bad_steps_0.json")) == 3


def test_a_gradient_that_overflows_is_skipped(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(make_config(max_bad_steps=0), humming, tmp_path / "run", seed=0, device="cpu")
    weight = next(trainer.estimator.networks["hum"].parameters())
    weight.register_hook(lambda gradient: gradient * torch.inf)
    before = {name: tensor.clone() for name, tensor in trainer.estimator.networks.state_dict().items()}
    with pytest.raises(InputError, match="1 steps in a row gave a loss or gradient that is NaN or infinite"):
        trainer.run()
    after = trainer.estimator.networks.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_nan_in_validation_names_the_mixtures(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(make_config(), humming, tmp_path / "run", seed=0, device="cpu")
    assert trainer.batches.valid_table is not None
    trainer.batches.valid_table.input[:] = torch.nan
    with pytest.raises(InputError, match="validation loss is NaN or infinite; mixtures: valid-10, valid-11"):
        trainer.run()


def test_gradients_are_clipped_per_source(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(make_config(gradient_clip=1e-3, epochs=1), humming, tmp_path / "run", seed=0, device="cpu")
    trainer.run()
    for network in trainer.estimator.networks.values():
        norm = torch.cat([w.grad.flatten() for w in network.parameters() if w.grad is not None]).norm()
        assert float(norm) == pytest.approx(1e-3, rel=1e-2)


def test_two_processes_do_not_train_in_one_folder(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    trainer = Trainer(make_config(), humming, tmp_path / "run", seed=0, device="cpu")
    with (
        FileLock(tmp_path / "run/.lock"),
        pytest.raises(ConfigError, match="another process trains here: wait for it, or choose another --out"),
    ):
        trainer.run()


def test_an_epoch_of_bad_steps_alone_is_no_model(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    data = TrainingData(humming.train[:1], [], humming.root)
    trainer = Trainer(make_config(epochs=1, max_bad_steps=1000), data, tmp_path / "run", seed=0, device="cpu")
    trainer.batches.table.input[:] = torch.nan
    trainer.run()
    assert not (tmp_path / "run/model").exists()

"""Weights in single precision, half of it, and bytes: what comes back is as close as the form allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from sepvae.config import parse_config
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sepvae.estimator.weights import Storage, pack, packed_like, unpack, write_tensors
from sepvae.training.config import TrainingConfig, fresh_checkpoint

SETTINGS: dict[str, Any] = {"frontend": {"sample_rate": 8000}, "model": {"settings": {"hidden": [6], "latent": 2}}}


def make(storage: Storage) -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = fresh_checkpoint(parse_config(TrainingConfig, SETTINGS, where="test"), ["a", "b"])
    return Checkpoint(fresh.config.model_copy(update={"weights": storage}), fresh.estimator)


@given(
    rows=st.integers(1, 5), columns=st.integers(1, 7), scale=st.sampled_from([0.0, 1e-30, 1e-3, 1.0, 1e3]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_bytes_are_within_half_a_step_of_each_row(rows: int, columns: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(rows, columns, 1, generator=generator)
    packed = pack({"w": weight}, "int8")
    assert packed["w"].dtype == torch.int8
    back = unpack(packed, {"w": weight})["w"]
    step = weight.abs().amax((1, 2)) / 127
    assert ((back - weight).abs() <= 0.5001 * step[:, None, None] + 1e-38).all()
    # What is stored is a fixed point.
    assert torch.equal(pack({"w": back}, "int8")["w"], packed["w"])


def test_only_what_is_a_matrix_becomes_bytes() -> None:
    tensors = {"bias": torch.tensor([0.1, -3.0]), "count": torch.tensor([7]), "matrix": torch.eye(2)}
    for storage, types in {
        "float32": [torch.float32, torch.int64, torch.float32],
        "float16": [torch.float16, torch.int64, torch.float16],
        "int8": [torch.float16, torch.int64, torch.int8],
    }.items():
        packed = pack(tensors, storage)  # type: ignore[arg-type]
        assert [packed[name].dtype for name in tensors] == types
        like = packed_like(tensors, storage)  # type: ignore[arg-type]
        assert {n: (t.shape, t.dtype) for n, t in like.items()} == {n: (t.shape, t.dtype) for n, t in packed.items()}


def test_what_half_precision_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="weights big: are beyond half precision: store them as float32"):
        pack({"big": torch.tensor([1e6])}, "float16")


@pytest.mark.parametrize(("storage", "close"), [("float32", 0.0), ("float16", 5e-4), ("int8", 5e-3)])
def test_a_folder_comes_back(tmp_path: Path, storage: Storage, close: float) -> None:
    checkpoint = make(storage)
    save_checkpoint(tmp_path / "model", checkpoint)
    loaded = load_checkpoint(tmp_path / "model")
    assert loaded.config.weights == storage
    before, after = (item.estimator.networks.state_dict() for item in (checkpoint, loaded))
    for name, tensor in before.items():
        assert after[name].dtype == torch.float32
        assert float((after[name] - tensor).abs().max()) <= close
    save_checkpoint(tmp_path / "again", loaded)
    stored, again = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "again"))
    # Bytes stay what they are; a scale may be rounded once more.
    assert all(torch.equal(stored[n], again[n]) for n in stored if not n.endswith(".scale"))


@pytest.mark.parametrize("other", ["float32", "float16"])
def test_weights_in_another_form_than_the_config_says_are_refused(tmp_path: Path, other: Storage) -> None:
    save_checkpoint(tmp_path / "model", make("int8"))
    (tmp_path / "model/provenance.json").unlink()
    tensors = make(other).estimator.networks.state_dict()
    write_tensors(tmp_path / "model/model.safetensors", pack(tensors, other))
    with pytest.raises(CheckpointError, match=r"the weights belong to another architecture .*\.scale is missing"):
        load_checkpoint(tmp_path / "model")


def test_a_scale_that_is_no_number_is_refused(tmp_path: Path) -> None:
    checkpoint = make("int8")
    save_checkpoint(tmp_path / "model", checkpoint)
    (tmp_path / "model/provenance.json").unlink()
    packed = pack(checkpoint.estimator.networks.state_dict(), "int8")
    scale = next(name for name in packed if name.endswith(".scale"))
    write_tensors(tmp_path / "model/model.safetensors", {**packed, scale: torch.full_like(packed[scale], torch.nan)})
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        load_checkpoint(tmp_path / "model")

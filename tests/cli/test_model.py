"""`sepvae model`: what is listed, shown and exported is what the folder holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sepvae.config import parse_config
from sepvae.estimator.checkpoint import load_checkpoint, save_checkpoint
from sepvae.estimator.shipped import shipped_models
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig, fresh_checkpoint

SETTINGS = {"frontend": {"sample_rate": 8000}, "model": {"settings": {"hidden": [64], "latent": 8}}}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(
            tmp_path / "run/model", fresh_checkpoint(parse_config(TrainingConfig, SETTINGS, where="t"), ["a", "b"])
        )
    return tmp_path / "run"


def test_a_smaller_copy_separates_as_its_parent(program, model: Path, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("licence: CC BY 4.0\nscores: none, it has learnt nothing\n")
    args = ("--as", "duo@2", "--sources", "first,second", "--card", tmp_path / "card.yaml")
    done = program("model", "export", model, "-o", tmp_path / "duo", *args)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'duo'}\n"), done.stderr
    small = tmp_path / "duo/model.safetensors"
    assert small.stat().st_size < 0.4 * (model / "model/model.safetensors").stat().st_size
    mixture = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    ours, theirs = (Separator.load(folder).separate(mixture, 8000) for folder in (model, tmp_path / "duo"))
    for name, other in {"a": "first", "b": "second"}.items():
        error = 10 * np.log10(np.square(ours[name]).sum() / np.square(ours[name] - theirs[other]).sum())
        assert error > 30
    config = load_checkpoint(tmp_path / "duo").config
    assert (config.name, config.version, config.weights) == ("duo", 2, "int8")
    shown = program("model", "show", tmp_path / "duo")
    assert shown.stdout.startswith("# duo@2: ")
    assert "## Scores\n\nnone, it has learnt nothing\n" in shown.stdout


def test_nothing_is_overwritten(program, model: Path, tmp_path: Path) -> None:
    assert program("model", "export", model, "-o", tmp_path / "copy", "--weights", "float32").returncode == 0
    again = program("model", "export", model, "-o", tmp_path / "copy")
    assert again.returncode == 1
    assert str(tmp_path / "copy") in again.stderr
    assert load_checkpoint(tmp_path / "copy").config.weights == "float32"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--as", "duo"), "give a name and a version, such as any-talkers@1"),
        (("--as", f"{'a' * 101}@1"), "name"),
        (("--as", "duo@99999999999"), "version"),
        (("--card", "list.yaml"), "list.yaml: give headings with a text each"),
        (("--card", "none.yaml"), "none.yaml"),
        (("--sources", "first"), "the sources first: the model has 2: a, b"),
        (("--sources", "first,../second"), "sources"),
    ],
)
def test_what_cannot_be_exported_is_said(
    program, model: Path, tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    (tmp_path / "list.yaml").write_text("- licence\n")
    done = program("model", "export", model, "-o", tmp_path / "out", *args, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "a fault of sepvae" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_comes_along_is_listed(program) -> None:
    rows = json.loads(program("model", "list", "--json").stdout)
    assert [row["name"].partition("@")[0] for row in rows] == [*shipped_models()]
    assert "any-talkers" in shipped_models()
    listed = program("model", "list").stdout
    for row in rows:
        assert row["licence"] in listed

"""Models that come with sepvae: found by name and version, after folders that are there, and checked as any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sepvae.config import parse_config
from sepvae.errors import CheckpointError
from sepvae.estimator import shipped
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sepvae.estimator.folder import find_model_folder
from sepvae.estimator.folder_names import CARD
from sepvae.estimator.shipped import CARD_KEY, find_shipped, read_card, shipped_models
from sepvae.training.config import TrainingConfig, fresh_checkpoint

SETTINGS = {"frontend": {"sample_rate": 8000}, "model": {"settings": {"hidden": [6], "latent": 2}}}


def fresh_model() -> Checkpoint:
    with torch.random.fork_rng():
        return fresh_checkpoint(parse_config(TrainingConfig, SETTINGS, where="test"), ["a", "b"])


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a model that is shipped as duo@3."""
    found = fresh_model()
    config = found.config.model_copy(update={"name": "duo", "version": 3, "weights": "int8"})
    card = {"licence": "CC BY 4.0", "scores": "none so far"}
    save_checkpoint(tmp_path / "shipped/duo", Checkpoint(config, found.estimator, {CARD_KEY: card}))
    monkeypatch.setattr(shipped, "resource", lambda name: tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shipped/duo"


def test_a_name_is_a_folder(ours: Path) -> None:
    assert shipped_models() == {"duo": ours}
    assert find_model_folder("duo") == find_model_folder("duo@3") == ours
    assert find_shipped("trio") is None
    with pytest.raises(CheckpointError, match=r"duo@2: this sepvae comes with duo@3: install the one that has it"):
        find_model_folder("duo@2")
    with pytest.raises(CheckpointError, match=r"trio: no such model folder: .*take one that comes with sepvae: duo"):
        find_model_folder("trio")


def test_a_folder_that_is_there_wins(ours: Path) -> None:
    save_checkpoint(Path("duo"), fresh_model())
    assert find_model_folder("duo") == Path("duo")
    assert load_checkpoint("duo").config.name is None
    assert find_model_folder("duo@3") == ours


def test_the_card_says_what_it_was_given(ours: Path) -> None:
    found = load_checkpoint("duo")
    assert read_card(found.provenance) == {"licence": "CC BY 4.0", "scores": "none so far"}
    card = (ours / CARD).read_text()
    assert card.startswith("# duo@3: ")
    assert "## Licence\n\nCC BY 4.0\n" in card
    assert card.index("## Scores") < card.index("## Made from")


def test_a_damaged_one_is_refused_as_any_other(ours: Path) -> None:
    weights = ours / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match="is not the file that was saved"):
        load_checkpoint("duo")


def test_a_copy_without_models_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "resource", lambda name: tmp_path / "none" / name)
    assert shipped_models() == {}
    assert find_shipped("any-talkers") is None

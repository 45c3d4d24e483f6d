"""An augmentation that takes something from another utterance of the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmentation.contract import Augmentation, DrawContext, Target
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.records import read_records
from sepvae.augmented.run import RunOptions, augment_corpus
from sepvae.config import Config, parse_config
from sepvae.corpora.records import open_corpus
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.files import read_jsonl


class LevelConfig(Config):
    """`other_sex`: take the level of a speaker of the other sex alone."""

    other_sex: bool = True


class Level(Augmentation):
    """Gives an utterance the level of another one: a stand-in for what replaces the nuisance of a recording."""

    Config = LevelConfig
    config: LevelConfig
    name: ClassVar[str] = "level"
    needs_model: ClassVar[bool] = True

    def draw(self, context: DrawContext) -> dict[str, Any]:
        own = context.utterance
        others = [one for one in context.pool if one.speaker != own.speaker]
        if self.config.other_sex:
            others = [one for one in others if one.sex != own.sex]
        if not others:
            raise InputError(f"no other speaker for {own.speaker}")
        chosen = others[int(context.stream.integers(len(others)))]
        return {"target": Target(chosen.id, chosen.path, chosen.speaker, chosen.sex)._asdict()}

    def apply(self, wave: Any, sample_rate: int, parameters: Mapping[str, Any]) -> Any:
        target = audio.read(self.root / parameters["target"]["path"]).wave
        return (wave * (target.std() / wave.std())).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in in the table, and a folder that looks like a model."""
    monkeypatch.setitem(AUGMENTATIONS._entries, "level", f"{__name__}:Level")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


def config(**settings: Any) -> AugmentConfig:
    return parse_config(AugmentConfig, settings, where="test")


def test_targets_come_from_the_whole_corpus_and_are_recorded(corpus: Path, model: Path, tmp_path: Path) -> None:
    wanted = config(methods=["level", "level+speed"], copies=2)
    augment_corpus(open_corpus(corpus), tmp_path / "out", wanted, model=model)
    made = {one.id: one for one in read_records(tmp_path / "out")}
    utterances = {one.id: one for one in open_corpus(corpus).utterances()}
    assert len({one.target["id"] for one in made.values() if one.target}) > 6
    for one in made.values():
        assert one.target is not None
        assert one.target["sex"] == utterances[one.target["id"]].sex != one.sex
        assert one.model is not None
    for shard in (1, 2, 3):
        summary = augment_corpus(
            open_corpus(corpus), tmp_path / "shards", wanted, model=model, run=RunOptions(shard=(shard, 3))
        )
    assert summary.complete
    assert {one.id: one for one in read_records(tmp_path / "shards")} == made
    (model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        augment_corpus(open_corpus(corpus), tmp_path / "out", wanted, model=model)


def test_an_utterance_without_a_target_is_named(model: Path, tmp_path: Path) -> None:
    tone = (0.1 * np.sin(np.arange(8000))).astype(np.float32)
    audio.write(tmp_path / "c" / "anna" / "1.wav", tone, sample_rate=16000)
    summary = augment_corpus(
        open_corpus(tmp_path / "c"), tmp_path / "out", config(methods=["level", "gain"]), model=model
    )
    assert (summary.n_records, summary.n_failures) == (1, 1)
    (failure,) = read_jsonl(tmp_path / "out" / "failures.jsonl")
    assert failure["message"] == "anna/1.wav: level: no other speaker for anna"


def test_a_model_is_needed_and_has_to_be_one(corpus: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="method level: needs a model: give its folder with --model"):
        augment_corpus(open_corpus(corpus), tmp_path / "out", config(methods=["gain+level"]))
    with pytest.raises(CheckpointError, match="no such model folder: train one"):
        augment_corpus(open_corpus(corpus), tmp_path / "out", config(methods=["level"]), model=tmp_path / "none")
    assert not (tmp_path / "out").exists()

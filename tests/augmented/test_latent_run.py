"""Latent methods on a whole corpus, as the program runs them: the same bytes however the work is shared out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main
from sepvae.files import read_json, read_jsonl

from ..speech_models import Speech

METHODS = "replace,soft,interpolate+gain"


def augment(speech: Speech, model: Path, out: Path, *options: str) -> int:
    command = ["augment", "run", f"{speech.root}", "--model", f"{model}", "--out", f"{out}", "--methods", METHODS]
    return main([*command, "--layout", "folder", "-q", "-j", "1", *options])


@pytest.fixture(scope="module")
def made(speech: Speech, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    assert augment(speech, model, out, "--copies", "2") == 0
    return out


def test_workers_and_shards_make_the_same_bytes(
    speech: Speech, model: Path, made: Path, tmp_path: Path, contents: Callable[[Path], dict[str, str]]
) -> None:
    assert augment(speech, model, tmp_path / "out", "--copies", "2", "--jobs", "2", "--shard", "2/2") == 0
    assert augment(speech, model, tmp_path / "out", "--copies", "2", "--shard", "1/2") == 0
    assert contents(tmp_path / "out") == contents(made)


def test_records_say_whose_voice_it_is(speech: Speech, made: Path) -> None:
    records = [line for line in read_jsonl(made / "records.jsonl") if "method" in line]
    assert len(records) == 24 * 3 * 2
    speakers = {utterance.id: utterance.speaker for utterance in speech.utterances}
    for record in records:
        first = record["parameters"][0]
        assert first["name"] == record["method"].split("+")[0]
        if "target" in first:
            assert speakers[first["target"]["id"]] == first["target"]["speaker"] != record["speaker"]
    assert len({record["model"] for record in records}) == 1


def test_files_beside_the_model_do_not_count(speech: Speech, model: Path, made: Path, tmp_path: Path) -> None:
    """The model is its weights, config and basis: the log of its training is not, nor where the folder lies."""
    (model / "notes.txt").write_text("a note")
    assert augment(speech, model / "model", tmp_path / "out", "--copies", "2") == 0
    name = "records.jsonl"
    assert (tmp_path / "out" / name).read_bytes() == (made / name).read_bytes()


def test_nothing_is_recorded_that_cannot_be_heard(speech: Speech, made: Path) -> None:
    waves = {path.stem: audio.read(path).wave for path in made.rglob("*.wav")}
    assert len(waves) == 24 * 3 * 2
    for record in [line for line in read_jsonl(made / "records.jsonl") if "method" in line][:30]:
        own = audio.read(speech.root / record["source"]).wave
        version = waves[record["id"]]
        assert version.shape == own.shape
        assert np.abs(version - own).max() > 1e-3


def test_a_model_without_a_basis_is_refused(
    speech: Speech, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(model / "model", bare)
    (bare / "nuisance.json").unlink()
    assert augment(speech, bare, tmp_path / "out") == 1
    assert "has no nuisance basis: fit it with 'sepvae augment fit" in capsys.readouterr().err
    assert read_json(bare / "config.json")

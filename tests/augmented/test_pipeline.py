"""Records: what is drawn, made and labelled, and what a method that fails leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation.classical import Gain
from sepvae.augmented import run as run_module
from sepvae.augmented.pipeline import Pipeline, RunSpec, Task
from sepvae.augmented.records import read_records
from sepvae.augmented.usable import read_utterance
from sepvae.corpora.records import open_corpus
from sepvae.files import hash_file, read_jsonl

from .conftest import augment, config, records

NewCorpus = Callable[[Path], Path]


def test_every_record_says_what_it_is_and_replays(corpus: Path, whole: Path) -> None:
    made = records(whole)
    one = made["FABC0_SX2-speed+gain+reverberation-2"]
    assert (one.utterance, one.speaker, one.sex, one.split) == ("FABC0_SX2", "FABC0", "female", "train")
    assert (one.method, one.copy, one.text) == ("speed+gain+reverberation", 2, "Say number 1.")
    assert [step["name"] for step in one.parameters] == ["speed", "gain", "reverberation"]
    assert hash_file(whole / one.path) == one.sha256
    wave, rate = audio.read(whole / one.path)
    assert (rate, wave.shape) == (one.sample_rate, (1, one.n_samples))
    # What the record holds is enough to make the same samples again.
    spec = RunSpec(str(corpus), str(whole), json.dumps(config().model_dump(mode="json")), one.sample_rate)
    pipeline = Pipeline(spec)
    source = next(utterance for utterance in open_corpus(corpus).utterances() if utterance.id == one.utterance)
    (spec,) = [made for made in pipeline.draw(source, []) if (made.method, made.copy) == (one.method, one.copy)]
    assert (spec.parameters, spec.seed) == (one.parameters, one.seed)
    again = pipeline.apply(read_utterance(source, corpus), spec) * np.float32(one.scaled_by)
    np.testing.assert_allclose(again, wave, atol=2**-16)


def test_labels_follow_the_duration(corpus: Path, whole: Path) -> None:
    sources = {utterance.id: utterance for utterance in open_corpus(corpus).utterances()}
    for one in records(whole).values():
        source = sources[one.utterance]
        scale = one.n_samples / source.n_samples
        assert scale == pytest.approx(1 / one.parameters[0].get("factor", 1.0), rel=1e-3)
        assert [label.label for label in one.words] == ["say", "number"]
        assert one.phones[0].start == 0
        assert one.phones[-1].stop == one.n_samples
        for new, old in zip(one.words + one.phones, source.words + source.phones, strict=True):
            assert new.start == pytest.approx(old.start * scale, abs=1)
            assert new.stop == pytest.approx(old.stop * scale, abs=1)


def test_what_is_drawn_depends_on_seed_utterance_copy_and_method_alone(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    made = records(whole)
    drawn = [json.dumps(one.parameters) for one in made.values() if one.method == "reverberation"]
    assert len(set(drawn)) == len(drawn)
    augment(corpus, tmp_path / "fewer", methods=["reverberation"], copies=1)
    for name, one in records(tmp_path / "fewer").items():
        assert one.sha256 == made[name].sha256, "other methods and copies change nothing"
    augment(corpus, tmp_path / "other", methods=["reverberation"], copies=1, seed=1)
    assert all(one.sha256 != made[name].sha256 for name, one in records(tmp_path / "other").items())


def test_loud_records_are_made_quieter_and_not_clipped(corpus: Path, tmp_path: Path) -> None:
    augment(corpus, tmp_path / "out", methods=["gain"], copies=1, gain={"gain_db": 20})
    for one in read_records(tmp_path / "out"):
        peak = np.abs(audio.read(tmp_path / "out" / one.path).wave).max()
        assert peak == pytest.approx(1, abs=1e-3)
        assert one.scaled_by < 0.5
    settings = {"methods": ["gain"], "copies": 1, "gain": {"gain_db": 20}, "output": {"subtype": "float"}}
    augment(corpus, tmp_path / "float", **settings)
    for one in read_records(tmp_path / "float"):
        assert np.abs(audio.read(tmp_path / "float" / one.path).wave).max() > 2
        assert one.scaled_by == 1.0


def test_a_crash_in_a_method_is_a_failure_of_the_file(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Gain, wave: Any, sample_rate: int, parameters: Any) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Gain, "apply", broken)
    summary = augment(corpus, tmp_path / "out", methods=["gain", "speed"], copies=1)
    assert (summary.n_records, summary.n_failures) == (12, 12)
    failure = next(read_jsonl(tmp_path / "out" / "failures.jsonl"))
    assert failure["record"] == "FABC0_SX1-gain-1"
    assert "FABC0/SX1.WAV: gain: cannot be worked on (ZeroDivisionError: by zero)" in failure["message"]


def test_samples_that_would_lose_the_labels_are_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gain, "apply", lambda self, wave, sample_rate, parameters: wave[:, :-100])
    augment(corpus, tmp_path / "out", methods=["gain"], copies=1)
    assert "8000 were to be: its labels are lost" in next(read_jsonl(tmp_path / "out" / "failures.jsonl"))["message"]
    monkeypatch.setattr(Gain, "apply", lambda self, wave, sample_rate, parameters: wave * np.float32(np.nan))
    augment(corpus, tmp_path / "out2", methods=["gain"], copies=1)
    assert "NaN or infinite" in next(read_jsonl(tmp_path / "out2" / "failures.jsonl"))["message"]


def test_a_file_that_changes_during_a_run_is_named(
    tmp_path: Path, new_corpus: NewCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, make = new_corpus(tmp_path / "c"), run_module.run_task

    def meanwhile(spec: RunSpec, task: Task) -> Any:
        audio.write(root / "TRAIN/DR1/MJKL0/SX3.WAV", 0.1 * np.ones(9000, np.float32), sample_rate=16000)
        return make(spec, task)

    monkeypatch.setattr(run_module, "run_task", meanwhile)
    assert augment(root, tmp_path / "out").n_failures == 1
    (failure,) = read_jsonl(tmp_path / "out" / "failures.jsonl")
    assert "has changed since the run began" in failure["message"]

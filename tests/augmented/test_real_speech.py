"""Real recordings end to end: speech with hand alignments, recorded noise, measured rooms, and FLAC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.records import read_records
from sepvae.augmented.run import augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.files import read_jsonl


@pytest.mark.slow
def test_timit_with_recorded_noise_and_a_measured_room(corpora: Path, tmp_path: Path) -> None:
    root, out = corpora / "timit-sample", tmp_path / "out"
    settings = {
        "methods": ["noise", "speed", "reverberation"],
        "noise": {"folder": str(corpora / "noise")},
        "reverberation": {"folder": str(corpora / "rir")},
        "output": {"subtype": "float"},
    }
    summary = augment_corpus(open_corpus(root), out, parse_config(AugmentConfig, settings, where="test"))
    sources = {one.id: one for one in open_corpus(root).utterances()}
    assert summary.n_failures == 0 and summary.n_records == 3 * len(sources)
    kinds = set()
    for one in read_records(out):
        source, (parameters,) = sources[one.utterance], one.parameters
        assert (one.text, one.speaker, one.sex) == (source.text, source.speaker, source.sex)
        assert [label.label for label in one.phones] == [label.label for label in source.phones]
        assert [label.label for label in one.words] == [label.label for label in source.words]
        if one.method != "noise":
            continue
        kinds.add(parameters["kind"])
        clean, noisy = audio.read(root / source.path).wave, audio.read(out / one.path).wave
        powers = [np.square(wave, dtype=np.float64).mean() for wave in (clean, noisy - clean)]
        assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(parameters["snr_db"], abs=0.01)
    assert kinds == {path.name for path in (corpora / "noise").iterdir() if path.is_dir()}


@pytest.mark.slow
def test_files_that_lost_a_byte_are_left_out(corpora: Path, tmp_path: Path) -> None:
    root, out = corpora / "timit-damaged", tmp_path / "out"
    summary = augment_corpus(open_corpus(root), out, parse_config(AugmentConfig, {"methods": ["gain"]}, where="test"))
    torn = {one["item"] for one in read_jsonl(out / "failures.jsonl") if one["code"] == "shifted_bytes"}
    assert len(torn) == summary.n_failures == 6 and summary.n_records == 4
    assert not torn & {one.source for one in read_records(out)}


@pytest.mark.slow
def test_librispeech_flac(corpora: Path, tmp_path: Path) -> None:
    root = corpora / "librispeech-sample"
    n_utterances = len(list(open_corpus(root).utterances()))
    config = parse_config(AugmentConfig, {"methods": ["speed"], "output": {"format": "shar"}}, where="test")
    summary = augment_corpus(open_corpus(root), tmp_path / "out", config)
    assert summary.n_records + summary.n_failures >= n_utterances
    assert summary.n_records > 0.9 * n_utterances

"""Bad files of a corpus: named with reasons, and the good ones done; with `strict` the first one ends the run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.records import Record, read_records
from sepvae.augmented.run import RunOptions, RunSummary, augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.errors import InputError
from sepvae.files import read_jsonl

NewCorpus = Callable[[Path], Path]


def augment(corpus: Path, out: Path, *, how: RunOptions | None = None, **settings: Any) -> RunSummary:
    config = parse_config(AugmentConfig, {"methods": ["reverberation", "speed"], **settings}, where="test")
    return augment_corpus(open_corpus(corpus), out, config, run=how)


def records(out: Path) -> dict[str, Record]:
    return {record.id: record for record in read_records(out)}


def tear(data: bytes) -> bytes:
    """Take a byte out of the samples of a WAV file, as a program for text does, and add one at the end."""
    place = 44 + len(data) // 3 // 2 * 2
    return data[:place] + data[place + 1 :] + b"\0"


def damage(root: Path) -> None:
    """Spoil a corpus in every way of the list below; the speaker MJKL0 stays as it is."""
    first, second, third = (root / "TRAIN" / "DR1" / speaker for speaker in ("FABC0", "FDEF0", "MGHI0"))
    (first / "SX1.WAV").unlink()
    (first / "SX2.WAV").write_bytes(b"RIFF and nothing else")
    wave, rate = audio.read(first / "SX3.WAV")
    audio.write(first / "SX3.WAV", 0 * wave, sample_rate=rate, subtype="pcm16")
    audio.write(second / "SX1.WAV", wave[:, :3000], sample_rate=rate, subtype="pcm16")
    audio.write(second / "SX2.WAV", wave[:, ::2], sample_rate=rate // 2, subtype="pcm16")
    cut = (second / "SX3.WAV").read_bytes()
    (second / "SX3.WAV").write_bytes(cut[: len(cut) // 2])
    (third / "SX1.PHN").write_text("0 99999 h#\n")
    path = third / "SX2.WAV"
    path.write_bytes(tear(path.read_bytes()))
    shutil.copytree(third, root / "TRAIN" / "DR2" / third.name)


def test_bad_files_are_named_and_the_good_ones_done(corpus: Path, tmp_path: Path, new_corpus: NewCorpus) -> None:
    damage(new_corpus(tmp_path / "bad"))
    augment(corpus, tmp_path / "whole", methods=["reverberation"], copies=1)
    summary = augment(tmp_path / "bad", tmp_path / "out", methods=["reverberation"], copies=1)
    failures = list(read_jsonl(tmp_path / "out" / "failures.jsonl"))
    assert summary.n_failures == len(failures)
    reasons = {(one["code"], one["item"].removeprefix("TRAIN/")): one["message"] for one in failures}
    expected = {
        ("missing_audio", "DR1/FABC0/SX1.WAV"): "missing, but",
        ("broken", "DR1/FABC0/SX2.WAV"): "not an audio file that can be read",
        ("silent", "DR1/FABC0/SX3.WAV"): "silent: leave it out",
        ("too_short", "DR1/FDEF0/SX1.WAV"): r"lasts 188 ms, less than a segment \(200 ms\)",
        ("sample_rate", "DR1/FDEF0/SX2.WAV"): "sampled at 8000 Hz, the rest at 16000 Hz: resample it first",
        ("broken", "DR1/FDEF0/SX3.WAV"): "truncated|cut off",
        ("labels", "DR1/MGHI0/SX1.WAV"): "phone 'h#' spans samples 0 to 99999, the audio has 8742: correct the align",
        ("shifted_bytes", "DR1/MGHI0/SX2.WAV"): "noise from where a byte was lost on: copy the file again in binary",
        ("duplicate_id", "DR2/MGHI0/SX2.WAV"): "same speaker and sentence as TRAIN/DR1/MGHI0/SX2.WAV",
    }
    for key, reason in expected.items():
        assert key in reasons, f"{key} not in {sorted(reasons)}"
        assert re.search(reason, reasons[key]), reasons[key]
    good, undisturbed = records(tmp_path / "out"), records(tmp_path / "whole")
    assert {name for name in good if name.startswith("MJKL0")} == {f"MJKL0_SX{n}-reverberation-1" for n in (1, 2, 3)}
    assert {name for name in good if not name.startswith("MJKL0")} == {"MGHI0_SX3-reverberation-1"}
    for name in ("MJKL0_SX1-reverberation-1", "MGHI0_SX3-reverberation-1"):
        assert good[name].sha256 == undisturbed[name].sha256, "the others' damage changes nothing"


def test_failures_are_the_same_however_the_corpus_is_named(
    tmp_path: Path, new_corpus: NewCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(new_corpus(tmp_path / "bad"))
    path = tmp_path / "bad" / "TRAIN" / "DR1" / "MJKL0" / "SX1.WAV"
    load = audio.read

    def unreadable(name: Path) -> Any:
        if name == path:
            raise InputError(f"{name}: truncated")
        return load(name)

    monkeypatch.setattr(audio, "read", unreadable)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("bad")
    made = []
    for number, name in enumerate((tmp_path / "bad", Path("bad"), Path("link"))):
        augment(name, tmp_path / f"out{number}", methods=["gain"])
        made.append((tmp_path / f"out{number}" / "failures.jsonl").read_text())
    assert made[0] == made[1] == made[2]
    assert "TRAIN/DR1/MJKL0/SX1.WAV: truncated" in made[0]
    assert str(tmp_path) not in made[0]
    for one in read_jsonl(tmp_path / "out0" / "failures.jsonl"):
        assert one["message"].startswith(one["item"])


def test_strict_stops_at_the_first_bad_file(corpus: Path, tmp_path: Path, new_corpus: NewCorpus) -> None:
    bad = new_corpus(tmp_path / "bad")
    path = bad / "TRAIN" / "DR1" / "FDEF0" / "SX2.WAV"
    wave, rate = audio.read(path)
    audio.write(path, 0 * wave, sample_rate=rate, subtype="pcm16")
    with pytest.raises(InputError, match=r"FDEF0/SX2.WAV: silent: leave it out"):
        augment(bad, tmp_path / "out", how=RunOptions(strict=True))
    audio.write(path, wave, sample_rate=rate, subtype="pcm16")
    assert augment(bad, tmp_path / "out", how=RunOptions(strict=True)).n_failures == 0


def test_a_corpus_of_bad_files_alone_is_an_error(tmp_path: Path) -> None:
    audio.write(tmp_path / "c" / "a" / "1.wav", np.ones(100, np.float32), sample_rate=8000)
    with pytest.raises(InputError, match=r"nothing can be augmented, 1 files were left out, the first: a/1.wav: lasts"):
        augment(tmp_path / "c", tmp_path / "out")


@pytest.mark.parametrize("skip", [True, False])
def test_torn_samples_are_refused_unless_they_are_wanted(
    corpus: Path, tmp_path: Path, new_corpus: NewCorpus, skip: bool
) -> None:
    path = new_corpus(tmp_path / "torn") / "TRAIN" / "DR1" / "MJKL0" / "SX3.WAV"
    path.write_bytes(tear(path.read_bytes()))
    summary = augment(tmp_path / "torn", tmp_path / "out", methods=["gain"], copies=1, skip_damaged=skip)
    assert (summary.n_records, summary.n_failures) == ((11, 1) if skip else (12, 0))
    with pytest.raises(InputError, match=r"SX3.WAV: noise from where a byte was lost on"):
        augment(tmp_path / "torn", tmp_path / "strict", methods=["gain"], copies=1, how=RunOptions(strict=True))

"""Fitting: a basis of what can be used, and the rest by name; the program as a user runs it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmented.fit import fit_basis
from sepvae.cli import main
from sepvae.corpora.records import Interval, Problem, Utterance, open_corpus
from sepvae.errors import InputError

from ..speech_models import RATE, Speech

Damaged = tuple[Path, list[Utterance], list[Problem]]


@pytest.fixture
def damaged(speech: Speech, tmp_path: Path) -> Damaged:
    """The corpus with files that cannot be used, what its reader gives of it, and what it found."""
    root = tmp_path / "voices"
    shutil.copytree(speech.root, root)
    (root / "ann/0.wav").unlink()
    (root / "ann/1.wav").write_bytes(b"RIFF")
    audio.write(root / "ann/2.wav", np.zeros((1, 9600), np.float32), sample_rate=RATE)
    audio.write(root / "ann/3.wav", np.ones((1, 1590), np.float32), sample_rate=RATE)
    audio.write(root / "ann/4.wav", np.ones((1, 9600), np.float32), sample_rate=16000)
    # One byte lost in the middle: all samples behind it are noise.
    wave = (0.3 * np.sin(0.1 * np.arange(19200))).astype(np.float32)
    audio.write(root / "ann/5.wav", wave, sample_rate=RATE, subtype="pcm16")
    data = (root / "ann/5.wav").read_bytes()
    (root / "ann/5.wav").write_bytes(data[:10001] + data[10002:] + b"\0")
    corpus = open_corpus(root)
    utterances = list(corpus.utterances())
    again = replace(next(one for one in utterances if one.path == "bea/1.wav"), path="bea/2.wav")
    odd = replace(next(one for one in utterances if one.path == "bea/3.wav"), phones=(Interval(0, 99999, "h#"),))
    listed = [odd if one.path == odd.path else one for one in utterances if one.path != "bea/2.wav"]
    return root, [*listed, again], corpus.problems


def test_bad_files_are_named_and_the_rest_is_fitted(augmenter: Augmenter, damaged: Damaged) -> None:
    root, utterances, found = damaged
    basis, problems = fit_basis(augmenter, [(root, utterances)], found={root: found})
    assert len(basis.vectors) == len(basis.utterances) == 24 - 8
    reasons = {problem.partition(":")[0].removeprefix(f"{root}/"): problem for problem in problems}
    for path, reason in {
        "ann/1.wav": "not an audio file",
        "ann/2.wav": "silent: leave it out",
        "ann/3.wav": r"lasts 199 ms, less than a segment \(200 ms\)",
        "ann/4.wav": "sampled at 16000 Hz, the rest at 8000 Hz",
        "ann/5.wav": "byte was lost",
        "bea/2.wav": "a second utterance with the id",
        "bea/3.wav": "phone 'h#' spans samples 0 to 99999",
    }.items():
        assert re.search(reason, reasons.pop(path))
    assert not reasons
    with pytest.raises(InputError, match=r"ann/1.wav: not an audio file"):
        fit_basis(augmenter, [(root, utterances)], found={root: found}, strict=True)


def test_the_program_ends_as_a_run_does_with_bad_files(
    model: Path, damaged: Damaged, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model / "model", tmp_path / "model")
    with caplog.at_level("INFO"):
        assert main(["augment", "fit", f"{damaged[0]}", "-m", f"{tmp_path / 'model'}"]) == 1
    assert "18 utterances, 8 latents; " in (said := capsys.readouterr().out)
    assert said.endswith("; 5 files left out (nuisance.json)\n")
    assert "nuisance.json: replaces the nuisance basis that was there" in caplog.text
    assert "ann/1.wav: not an audio file" in caplog.text


def test_order_does_not_matter_to_the_directions(augmenter: Augmenter, speech: Speech) -> None:
    one, _ = fit_basis(augmenter, [speech])
    other, _ = fit_basis(augmenter, [(speech.root, speech.utterances[12:]), (speech.root, speech.utterances[:12])])
    np.testing.assert_allclose(other.std, one.std, rtol=1e-6)
    np.testing.assert_allclose(other.directions[:2], one.directions[:2], atol=1e-4)
    assert np.array_equal(one.vector_of("dan-3"), other.vector_of("dan-3"))


def test_the_first_direction_is_what_the_voices_differ_in(augmenter: Augmenter, speech: Speech) -> None:
    basis = augmenter.basis
    along = (basis.vectors - basis.mean) @ basis.directions[0]
    speakers = np.array([utterance.speaker for utterance in basis.utterances])
    means = np.array([along[speakers == name].mean() for name in ("ann", "bea", "carl", "dan")])
    within = np.mean([along[speakers == name].std() for name in set(speakers)])
    assert means.std() > 3 * within
    assert len(speech.utterances) == len(along)


def test_train_and_fit_as_a_user(speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    settings = [
        "frontend.sample_rate=8000",
        "frontend.stft.window_ms=64",
        "frontend.input.n_mels=20",
        "frontend.target.n_mels=20",
        "model.settings.segment_frames=8",
        "optimiser.segment_frames=8",
        "optimiser.epochs=1",
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "--speech", "--corpus", f"{speech.root}", "-o", f"{run}", "-q", "-d", "cpu", *options]) == 0
    assert main(["augment", "fit", f"{speech.root}", "-m", f"{run}", "-q"]) == 0
    assert "24 utterances, 64 latents; " in capsys.readouterr().out
    assert "sepvae augment fit CORPUS -m THIS_FOLDER" in (run / "model/README.md").read_text()
    basis = NuisanceBasis.load(run)
    assert {utterance.speaker for utterance in basis.utterances} == {"ann", "bea", "carl", "dan"}
    assert main(["augment", "fit", f"{speech.root}", "-m", f"{tmp_path}/none", "-q"]) == 1
    assert "no such model folder" in capsys.readouterr().err

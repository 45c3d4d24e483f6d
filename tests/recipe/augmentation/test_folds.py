"""Who is trained on and who tested, and that no recording is in both training and test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora.records import Interval, Utterance
from sepvae.errors import InputError
from sepvae.recipe.augmentation.folds import SelectedUtterances, recordings, split_into_folds, with_recordings
from sepvae.recipe.augmentation.schema import Arm, AugmentationSettings, Folders

RATE = 16000


def corpus(n_speakers: int = 6, n_sentences: int = 3) -> list[Utterance]:
    """Return speakers who all say sentence 0, and one of whom says each other sentence."""
    return [
        Utterance(
            id=f"S{speaker}_{number}",
            path=f"{speaker}/{number}.wav",
            speaker=f"S{speaker}",
            sex="female" if speaker % 2 else "male",
            split=None,
            sample_rate=RATE,
            n_samples=RATE,
            phones=(Interval(0, RATE, "aa"),),
            prompt="sa1" if number == 0 else f"sx{speaker}{number}",
        )
        for speaker in range(n_speakers)
        for number in range(n_sentences)
    ]


def test_every_speaker_is_tested_once_and_never_in_their_own_training() -> None:
    folds = split_into_folds(corpus(), 3, seed=0)
    tested = [one.speaker for fold in folds for one in fold.test]
    assert sorted(set(tested)) == [f"S{number}" for number in range(6)]
    for fold in folds:
        voices = {one.speaker for one in fold.test}
        assert not voices & {one.speaker for one in fold.train}
        # Women and men come in turn.
        assert {one.sex for one in fold.test} == {"female", "male"}
        assert len(voices) == 2
        assert {one.speaker for one in fold.train} | voices == {f"S{number}" for number in range(6)}


def test_sentences_of_the_test_are_not_trained_on() -> None:
    for fold in split_into_folds(corpus(), 3, seed=0):
        assert not {one.prompt for one in fold.train} & {one.prompt for one in fold.test}
        assert {one.prompt for one in fold.train} >= {"sa1"}


def test_the_folds_follow_from_the_seed() -> None:
    one, two = split_into_folds(corpus(), 3, seed=1), split_into_folds(list(reversed(corpus())), 3, seed=1)
    assert [{u.speaker for u in fold.test} for fold in one] == [{u.speaker for u in fold.test} for fold in two]
    others = [split_into_folds(corpus(), 3, seed=seed) for seed in range(2, 8)]
    assert any(
        [{u.speaker for u in fold.test} for fold in other] != [{u.speaker for u in fold.test} for fold in one]
        for other in others
    )


def test_a_corpus_that_cannot_serve_is_refused() -> None:
    with pytest.raises(InputError, match="2 speakers cannot be split into 3 folds"):
        split_into_folds(corpus(2), 3, seed=0)
    with pytest.raises(InputError, match="every sentence of its speakers is also said by the others"):
        split_into_folds(corpus(6, 1), 3, seed=0)
    mute = [Utterance(f"S{n}_0", "x", f"S{n}", "male", None, RATE, RATE, text=f"say {n}") for n in range(4)]
    with pytest.raises(InputError, match="S0_0 and 3 more have no phones: give a corpus with TIMIT's alignments"):
        split_into_folds(mute, 2, seed=0)


def test_a_selection_is_a_corpus_sorted_by_id(tmp_path: Path) -> None:
    selected = SelectedUtterances(tmp_path, list(reversed(corpus(2, 2))))
    assert [one.id for one in selected.utterances()] == ["S0_0", "S0_1", "S1_0", "S1_1"]
    assert selected.problems == []


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    wave = np.random.default_rng(0).standard_normal(800).astype(np.float32) * 0.1
    for name in ("noise/rain/a", "noise/rain/b", "noise/rain/c", "noise/wind/a", "rooms/1", "rooms/2", "rooms/3"):
        audio.write(tmp_path / f"{name}.wav", wave, sample_rate=RATE)
    return Folders(noise=str(tmp_path / "noise"), rooms=str(tmp_path / "rooms"))


def test_no_recording_is_in_training_and_test(folders: Folders) -> None:
    train, test = recordings(folders, "train"), recordings(folders, "test")
    assert train["noise"]["only"] == ["rain/b.wav"]
    assert test["noise"]["only"] == ["rain/a.wav", "rain/c.wav", "wind/a.wav"]
    assert train["reverberation"]["only"] == ["2.wav"]
    assert test["reverberation"]["only"] == ["1.wav", "3.wav"]
    assert train["noise"]["folder"] == folders.noise


def test_parts_of_a_recording_stay_together(tmp_path: Path) -> None:
    """Names that differ by a number alone; where a kind has no others, they are all there is to share out."""
    wave = np.full(800, 0.1, np.float32)
    for name in ("traffic/bus", "traffic/street_0", "traffic/street_1", "traffic/tram", "rain/rain-1", "rain/rain-2"):
        audio.write(tmp_path / f"{name}.wav", wave, sample_rate=RATE)
    train, test = (recordings(Folders(noise=str(tmp_path)), use)["noise"]["only"] for use in ("train", "test"))  # type: ignore[arg-type]
    assert train == ["rain/rain-2.wav", "traffic/street_0.wav", "traffic/street_1.wav"]
    assert test == ["rain/rain-1.wav", "traffic/bus.wav", "traffic/tram.wav"]


def test_nor_are_synthetic_ones() -> None:
    train, test = (set(recordings(Folders(), use)["noise"]["only"]) for use in ("train", "test"))  # type: ignore[arg-type]
    assert train and test and not train & test
    assert {path.split("/")[0] for path in train} == {path.split("/")[0] for path in test}
    assert "only" not in recordings(Folders(), "train")["reverberation"]


def test_folders_with_too_little_are_refused(tmp_path: Path, folders: Folders) -> None:
    wave = np.full(800, 0.1, np.float32)
    audio.write(tmp_path / "one/rain/a.wav", wave, sample_rate=RATE)
    with pytest.raises(InputError, match="has one recording of each kind: give two or more of one kind"):
        recordings(Folders(noise=str(tmp_path / "one")), "train")
    with pytest.raises(InputError, match="has one impulse response: give two"):
        recordings(Folders(noise=folders.noise, rooms=str(tmp_path / "one")), "test")


def test_an_augmentation_gets_the_recordings_of_its_own_methods_alone(folders: Folders) -> None:
    own = recordings(folders, "train")
    found = with_recordings(AugmentationSettings(methods=("speed+noise",), settings={"noise": {"snr_db": 3}}), own)
    assert found.settings == {"noise": {**own["noise"], "snr_db": 3}}
    assert with_recordings(Arm(methods=("soft",)), own).settings == {}

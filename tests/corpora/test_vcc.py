"""Voice Conversion Challenges: parts alone and together, sexes, splits, prompts without texts, and gaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae import audio
from sepvae.corpora import validate
from sepvae.corpora.records import Problem, Utterance, open_corpus
from sepvae.corpora.vcc import Vcc2016, Vcc2018
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.protocol import make_mixtures

PARTS_2018 = {
    "vcc2018_training": {"VCC2SF1": (10001, 10002), "VCC2SM3": (20001, 20002), "VCC2TM1": (10001, 10002)},
    "vcc2018_evaluation": {"VCC2SF1": (30001,), "VCC2SM3": (30001,)},
    "vcc2018_reference": {"VCC2TM1": (30001,)},
}
PARTS_2016 = {
    "vcc2016_training": {"SF1": (100001, 100002), "TM3": (100001, 100002)},
    "evaluation_all": {"SF1": (200001,), "TM3": (200001,)},
}


@pytest.fixture
def write_parts(speech: Callable) -> Callable[..., Path]:
    def write(root: Path, parts: dict, *, rename: Callable[[str], str] = str) -> Path:
        for part, speakers in parts.items():
            for speaker, numbers in speakers.items():
                for number in numbers:
                    path = root / rename(f"{part}/{speaker}/{number}.wav")
                    audio.write(path, speech(f"{speaker} {number}", 4410), sample_rate=22050, subtype="pcm16")
        return root

    return write


def read(root: Path, name: str) -> tuple[list[Utterance], list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == name
    return list(corpus.utterances()), corpus.problems


@pytest.mark.parametrize("rename", [str, str.upper, str.lower])
@pytest.mark.parametrize("inside", ["", "vcc2018/", "VCC2018/unpacked/"])
def test_2018(tmp_path: Path, write_parts: Callable, rename: Callable, inside: str) -> None:
    write_parts(tmp_path / inside, PARTS_2018, rename=rename)
    root = tmp_path if inside != "VCC2018/unpacked/" else tmp_path / inside
    utterances, problems = read(root, "vcc2018")
    assert problems == []
    assert [(u.id, u.sex, u.split, u.prompt) for u in utterances] == [
        ("VCC2SF1_10001", "female", "training", "10001"),
        ("VCC2SF1_10002", "female", "training", "10002"),
        ("VCC2SF1_30001", "female", "evaluation", "30001"),
        ("VCC2SM3_20001", "male", "training", "20001"),
        ("VCC2SM3_20002", "male", "training", "20002"),
        ("VCC2SM3_30001", "male", "evaluation", "30001"),
        ("VCC2TM1_10001", "male", "training", "10001"),
        ("VCC2TM1_10002", "male", "training", "10002"),
        ("VCC2TM1_30001", "male", "reference", "30001"),
    ]
    assert {(u.text, u.sample_rate) for u in utterances} == {(None, 22050)}


@pytest.mark.parametrize("rename", [str, str.upper, str.lower])
def test_2016(tmp_path: Path, write_parts: Callable, rename: Callable) -> None:
    utterances, problems = read(write_parts(tmp_path, PARTS_2016, rename=rename), "vcc2016")
    assert problems == []
    assert [(u.id, u.speaker, u.sex, u.split, u.prompt) for u in utterances[::3]] == [
        ("SF1_100001", "SF1", "female", "training", "100001"),
        ("TM3_100001", "TM3", "male", "training", "100001"),
    ]
    assert [u.split for u in utterances].count("evaluation") == 2


@pytest.mark.parametrize("part", [*PARTS_2018, *PARTS_2016])
def test_one_part_alone(tmp_path: Path, write_parts: Callable, part: str) -> None:
    write_parts(tmp_path, {**PARTS_2018, **PARTS_2016})
    utterances, problems = read(tmp_path / part, "vcc2018" if "2018" in part else "vcc2016")
    split = part.removesuffix("_all").rpartition("_")[2]
    assert problems == [] and {u.split for u in utterances} == {split}


def test_a_renamed_part_has_no_split(tmp_path: Path, write_parts: Callable) -> None:
    write_parts(tmp_path, {"mine": PARTS_2016["vcc2016_training"]})
    utterances, problems = read(tmp_path / "mine", "vcc2016")
    assert len(utterances) == 4 and {u.split for u in utterances} == {None} and problems == []


@pytest.mark.parametrize("place", ["SF1/1.wav", "SF1/morning/100001.wav", "VCC2SF1/a.wav", "mine/SF1/100001.wav"])
def test_folders_that_only_resemble_it_stay_folders(tmp_path: Path, write_wav: Callable, place: str) -> None:
    write_wav(tmp_path / place)
    assert open_corpus(tmp_path).name == "folder"


def test_transcripts_where_they_were_downloaded(tmp_path: Path, write_parts: Callable) -> None:
    write_parts(tmp_path, PARTS_2018)
    for place, text in {
        "vcc2018_training/Transcriptions/HUB/10001.txt": "Good\n morning. ",
        "vcc2018_training/Transcriptions/HUB/10009.txt": "Nobody says it.",
        "vcc2018_training/Transcriptions/SPOKE/20001.txt": "good morning",
        "scripts/30001.txt": "Farewell.",
        "vcc2018_training/README.txt": "Welcome.",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    (tmp_path / "vcc2018_training/Transcriptions/HUB/10002.txt").write_bytes(b"\xff\xfe\x00")
    utterances, problems = read(tmp_path, "vcc2018")
    texts = {u.id: (u.text, u.prompt) for u in utterances}
    assert texts["VCC2SF1_10001"] == texts["VCC2TM1_10001"] == ("Good morning.", "10001")
    assert texts["VCC2SM3_20001"] == ("good morning", "10001")
    assert texts["VCC2TM1_30001"] == ("Farewell.", "30001") and texts["VCC2SF1_10002"] == (None, "10002")
    assert [(one.code, one.item.rpartition("/")[2]) for one in problems] == [
        ("broken_text", "10002.txt"),
        ("text_without_audio", "10009.txt"),
        ("missing_text", "20002.txt"),
    ]
    assert problems[2].message == "20002.txt: missing; 1 of 5 sentences have no transcript"


def test_missing_and_unreadable_files(tmp_path: Path, write_parts: Callable, write_wav: Callable) -> None:
    write_parts(tmp_path, PARTS_2018)
    (tmp_path / "vcc2018_training/VCC2TM1/10002.wav").unlink()
    (tmp_path / "vcc2018_training/VCC2SM3/20001.wav").write_bytes(b"RIFF cut")
    write_wav(tmp_path / "vcc2018_training/VCC2SF1/stray.wav")
    utterances, problems = read(tmp_path, "vcc2018")
    assert len(utterances) == 7
    assert [(one.code, one.item) for one in problems] == [
        ("unrecognised", "vcc2018_training/VCC2SF1/stray.wav"),
        ("incomplete_copy", "VCC2TM1"),
        ("broken", "vcc2018_training/VCC2SM3/20001.wav"),
    ]
    assert problems[1].message == "VCC2TM1: lacks 1 of the 2 sentences of training: 10002"


@pytest.mark.parametrize("parts", [PARTS_2018, PARTS_2016])
def test_speakers_in_several_parts_are_no_leak(tmp_path: Path, write_parts: Callable, parts: dict) -> None:
    report = validate.validate(open_corpus(write_parts(tmp_path, parts)))
    assert report.ok and report.problems == ()


@pytest.mark.parametrize("split", ["speaker_seen", "speaker_open"])
def test_mixtures_keep_prompts_apart(tmp_path: Path, write_parts: Callable, split: str) -> None:
    numbers = tuple(range(100001, 100013))
    write_parts(tmp_path, {"vcc2016_training": dict.fromkeys(("SF1", "SF2", "TM1", "TM2"), numbers)})
    utterances = list(open_corpus(tmp_path).utterances())
    config = MixingConfig(split=split, n_train=30, n_valid=2, n_test=2, sample_rate=8000, duration_s=(0.1, 0.2))
    made = make_mixtures(utterances, config, root=tmp_path, seed=3)
    assert not any("told apart by utterance" in note for note in made.header.notes)
    said = {name: set[str]() for name in ("train", "valid", "test")}
    for mixture in made.mixtures:
        prompts = [source.utterance.partition("_")[2] for source in mixture.sources]
        assert len(set(prompts)) == 2
        said[mixture.split] |= set(prompts)
    assert (
        all(said.values()) and not said["test"] & (said["train"] | said["valid"]) and not said["valid"] & said["train"]
    )


@pytest.mark.parametrize(("reader", "expected"), [(Vcc2018, "vcc2018_training"), (Vcc2016, "vcc2016_training")])
def test_nothing_found(tmp_path: Path, reader: type, expected: str) -> None:
    with pytest.raises(InputError, match=f"no utterances found, expected {expected}"):
        list(reader(tmp_path).utterances())


def test_other_challenges_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vcc2018, vcc2016"):
        open_corpus(tmp_path, "vcc2020")

"""VIVOS: prompts and genders of each split, splits given alone, and what does not meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae.corpora.records import Problem, open_corpus
from sepvae.corpora.vivos import Vivos
from sepvae.errors import InputError

TEXT = "KHÁCH SẠN VÀ NHÀ HÀNG"


@pytest.fixture
def vivos(tmp_path: Path, write_wav: Callable) -> Path:
    root = tmp_path / "vivos"
    for split, speakers in (("train", {"VIVOSSPK01": "m", "VIVOSSPK02": "f"}), ("test", {"VIVOSDEV01": "f"})):
        prompts = []
        for speaker in speakers:
            for number in (1, 2):
                write_wav(root / split / "waves" / speaker / f"{speaker}_R{number:03}.wav")
                prompts.append(f"{speaker}_R{number:03} {TEXT} {number}")
        (root / split / "prompts.txt").write_text("\n".join(prompts) + "\n")
        (root / split / "genders.txt").write_text("".join(f"{name} {sex}\n" for name, sex in speakers.items()))
    (root / "README").write_text("VIVOS\n")
    return root


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "vivos"
    return list(corpus.utterances()), corpus.problems


def test_speakers_sexes_splits_and_sentences(vivos: Path) -> None:
    for root in (vivos, vivos.parent):
        utterances, problems = read(root)
        assert problems == []
        assert [(u.id, u.speaker, u.sex, u.split) for u in utterances[::2]] == [
            ("VIVOSDEV01_R001", "VIVOSDEV01", "female", "test"),
            ("VIVOSSPK01_R001", "VIVOSSPK01", "male", "train"),
            ("VIVOSSPK02_R001", "VIVOSSPK02", "female", "train"),
        ]
        assert utterances[1].text == f"{TEXT} 2"
        assert {(u.sample_rate, u.n_samples, u.dialect) for u in utterances} == {(16000, 3200, None)}
        assert utterances[0].path.endswith("test/waves/VIVOSDEV01/VIVOSDEV01_R001.wav")


def test_one_split_alone(vivos: Path) -> None:
    utterances, problems = read(vivos / "test")
    assert [(u.id, u.split, u.sex) for u in utterances] == [
        ("VIVOSDEV01_R001", "test", "female"),
        ("VIVOSDEV01_R002", "test", "female"),
    ]
    assert problems == []


def test_prompts_audio_and_genders_that_do_not_meet(vivos: Path, write_wav: Callable) -> None:
    (vivos / "train/waves/VIVOSSPK01/VIVOSSPK01_R002.wav").unlink()
    write_wav(vivos / "train/waves/VIVOSSPK02/VIVOSSPK02_R009.wav")
    write_wav(vivos / "train/stray.wav")
    (vivos / "train/genders.txt").write_text("VIVOSSPK01 male\nVIVOSSPK02 f\n\nVIVOSSPK03\n")
    utterances, problems = read(vivos)
    assert {u.speaker: u.sex for u in utterances} == {
        "VIVOSDEV01": "female", "VIVOSSPK01": "unknown", "VIVOSSPK02": "female",
    }  # fmt: skip
    assert [(one.code, one.item) for one in problems] == [
        ("broken_speaker_table", "train/genders.txt"),
        ("broken_speaker_table", "genders.txt"),
        ("unrecognised", "train/stray.wav"),
        ("unknown_speaker", "VIVOSSPK01"),
        ("missing_text", "train/waves/VIVOSSPK02/VIVOSSPK02_R009.wav"),
        ("text_without_audio", "VIVOSSPK01_R002"),
    ]
    assert "line 4" in problems[0].message and "expected f or m, received 'male'" in problems[1].message


def test_without_tables_the_audio_is_still_read(vivos: Path) -> None:
    for path in [*vivos.rglob("genders.txt"), *vivos.rglob("prompts.txt")]:
        path.unlink()
    corpus = Vivos(vivos)
    utterances = list(corpus.utterances())
    assert len(utterances) == 6 and {(u.sex, u.text) for u in utterances} == {("unknown", None)}
    messages = [one.message for one in corpus.problems]
    assert "genders.txt: missing; the sexes are not known" in messages
    assert "prompts.txt: missing; no utterance has a text" in messages


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected train\|test/waves/"):
        list(Vivos(tmp_path).utterances())

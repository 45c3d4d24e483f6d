"""LibriSpeech: the real recordings, the table with pipes in names, transcripts, subsets, copies without chapters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.corpora.librispeech import LibriSpeech, parse_speakers
from sepvae.corpora.records import Problem, open_corpus
from sepvae.errors import InputError

TABLE = """; comment | with | pipes
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 25.19 | Kara Shallenberg
60   | M | train-clean-100  | 20.18 | Name | with | pipes
61   | M | test-clean       | 8.08  | Paul-Gabriel Wiener
"""


@pytest.fixture
def make_libri(speech: Callable) -> Callable[..., Path]:
    def make(root: Path, *, chapters: bool = True, texts: bool = True, table: bool = True) -> Path:
        for subset, speaker, chapter in (
            ("train-clean-100", "19", "198"),
            ("train-clean-100", "60", "121082"),
            ("test-clean", "61", "70968"),
        ):
            folder = root / subset / speaker / chapter if chapters else root / subset / speaker
            for number in range(2):
                name = f"{speaker}-{chapter}-{number:04d}"
                audio.write(folder / f"{name}.flac", speech(name), sample_rate=16000, subtype="pcm16")
            if texts:
                lines = [f"{speaker}-{chapter}-{number:04d} HE SAID {number}\n" for number in range(2)]
                (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
        if table:
            (root / "SPEAKERS.TXT").write_text(TABLE)
        return root

    return make


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "librispeech"
    return list(corpus.utterances()), corpus.problems


def test_the_real_sample(corpora: Path) -> None:
    utterances, problems = read(corpora / "librispeech-sample")
    counts = Counter(one.split for one in utterances)
    assert counts.keys() == {"train-clean-100", "test-other"} and counts["test-other"] == 60
    sexes = {one.speaker: one.sex for one in utterances}
    assert set(sexes.values()) == {"female", "male"} and sexes["19"] == "female"
    tested = {one.speaker for one in utterances if one.split == "test-other"}
    assert {speaker for speaker in tested if sexes[speaker] == "female"} == {"1998", "3080", "3331"}
    # It has no transcripts: one problem for each chapter.
    assert {one.code for one in problems} == {"missing_text"} and len(problems) == len(sexes)
    assert "10 utterances have no text" in problems[0].message


def test_one_real_subset_alone_finds_the_table_above(corpora: Path) -> None:
    utterances, problems = read(corpora / "librispeech-sample" / "test-other")
    assert len(utterances) == 60 and {one.split for one in utterances} == {"test-other"}
    assert "missing_speaker_table" not in {one.code for one in problems}
    assert all(one.sex != "unknown" for one in utterances)


@pytest.mark.parametrize("prefix", ["", "LibriSpeech"])
def test_records(tmp_path: Path, make_libri: Callable, prefix: str) -> None:
    make_libri(tmp_path / prefix)
    utterances, problems = read(tmp_path)
    assert problems == []
    assert [(one.id, one.speaker, one.sex, one.split, one.text) for one in utterances[::2]] == [
        ("19-198-0000", "19", "female", "train-clean-100", "HE SAID 0"),
        ("60-121082-0000", "60", "male", "train-clean-100", "HE SAID 0"),
        ("61-70968-0000", "61", "male", "test-clean", "HE SAID 0"),
    ]
    assert (tmp_path / utterances[0].path).is_file() and utterances[1].text == "HE SAID 1"


def test_the_innermost_subset_names_the_split(tmp_path: Path, make_libri: Callable) -> None:
    utterances, _ = read(make_libri(tmp_path / "dev-clean" / "copy"))
    assert {one.split for one in utterances} == {"train-clean-100", "test-clean"}


def test_a_copy_without_chapters_texts_and_table(tmp_path: Path, make_libri: Callable) -> None:
    utterances, problems = read(make_libri(tmp_path, chapters=False, texts=False, table=False))
    assert len(utterances) == 6 and {one.sex for one in utterances} == {"unknown"}
    assert Counter(one.code for one in problems) == {"missing_text": 3, "missing_speaker_table": 1}
    assert "SPEAKERS.TXT: missing here and in the folders above; the sexes are not known" in [
        one.message for one in problems
    ]


def test_lines_and_files_that_do_not_meet(tmp_path: Path, make_libri: Callable) -> None:
    make_libri(tmp_path)
    (tmp_path / "test-clean/61/70968/61-70968-0000.flac").unlink()
    (tmp_path / "train-clean-100/19/198/19-198.trans.txt").write_text("19-198-0001 ONLY ONE\n")
    utterances, problems = read(tmp_path)
    assert len(utterances) == 5
    assert [(one.code, one.message) for one in problems] == [
        (
            "missing_audio",
            "test-clean/61/70968/61-70968-0000.flac: missing, but test-clean/61/70968/61-70968.trans.txt has its text",
        ),
        (
            "missing_text",
            "train-clean-100/19/198/19-198-0000.flac: has no line in train-clean-100/19/198/19-198.trans.txt",
        ),
    ]


def test_a_speaker_without_a_row_and_a_cut_file(tmp_path: Path, make_libri: Callable) -> None:
    make_libri(tmp_path)
    (tmp_path / "SPEAKERS.TXT").write_text("19 | F | x | 1 | A\n60 | ? | x | 1 | B\n")
    path = tmp_path / "test-clean/61/70968/61-70968-0001.flac"
    path.write_bytes(path.read_bytes()[:20])
    utterances, problems = read(tmp_path)
    assert len(utterances) == 5
    assert [one.code for one in problems] == ["broken_speaker_table", "unknown_speaker", "unknown_speaker", "broken"]
    assert "line 2: expected 'ID | M|F | SUBSET | MINUTES | NAME', received '60 | ? | x | 1 | B'" in problems[0].message
    assert "61-70968-0001.flac: not an audio file that can be read" in problems[3].message


def test_stray_audio_is_reported(tmp_path: Path, make_libri: Callable, write_wav: Callable) -> None:
    make_libri(tmp_path)
    write_wav(tmp_path / "train-clean-100/19/198/take.wav")
    _, problems = read(tmp_path)
    assert [(one.code, one.item) for one in problems] == [("unrecognised", "train-clean-100/19/198/take.wav")]


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected <subset>.*such as test-clean/61/70968/"):
        list(LibriSpeech(tmp_path).utterances())


def test_the_samples_are_those_written(tmp_path: Path, make_libri: Callable, speech: Callable) -> None:
    utterances, _ = read(make_libri(tmp_path))
    wave = audio.read_mono(tmp_path / utterances[0].path, 16000)
    assert np.abs(wave - speech("19-198-0000")).max() <= 0.5 / 32768 + 1e-7


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20)


@given(st.dictionaries(st.integers(0, 9999), st.tuples(st.sampled_from("FM"), names)))
def test_any_name_keeps_the_row(rows: dict[int, tuple[str, str]]) -> None:
    text = "".join(f"{number:<5}| {sex} | train-clean-100  | 25.1 | {name}\n" for number, (sex, name) in rows.items())
    problems: list[Problem] = []
    table = parse_speakers("; head | x\n" + text, "SPEAKERS.TXT", problems)
    assert problems == []
    assert table == {str(number): {"F": "female", "M": "male"}[sex] for number, (sex, _) in rows.items()}

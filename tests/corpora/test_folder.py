"""Any folder of speakers, and how a corpus is recognised or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae import audio
from sepvae.corpora import CORPORA
from sepvae.corpora.folder import SpeakerFolders, parse_speakers
from sepvae.corpora.reader import corpus_class
from sepvae.corpora.records import Problem, open_corpus
from sepvae.errors import ConfigError, InputError


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "folder"
    return list(corpus.utterances()), corpus.problems


@pytest.fixture
def voices(tmp_path: Path, write_wav: Callable, speech: Callable) -> Path:
    write_wav(tmp_path / "anna/monday/001.wav")
    audio.write(tmp_path / "anna/002.flac", speech("002"), sample_rate=16000, subtype="pcm16")
    audio.write(tmp_path / "ben/a.OGG", speech("a", 16000), sample_rate=16000)
    (tmp_path / "anna/002.txt").write_bytes("\ufeffGuten  Tag,\nÄnne.\n".encode())
    (tmp_path / "speakers.csv").write_text("speaker,sex,age\nanna,F,30\nben,male,40\n")
    return tmp_path


def test_records(voices: Path) -> None:
    utterances, problems = read(voices)
    assert problems == []
    assert [(one.id, one.path, one.speaker, one.sex, one.split, one.text) for one in utterances] == [
        ("anna_002", "anna/002.flac", "anna", "female", None, "Guten Tag, Änne."),
        ("anna_monday_001", "anna/monday/001.wav", "anna", "female", None, None),
        ("ben_a", "ben/a.OGG", "ben", "male", None, None),
    ]


def test_sphere_files_are_read(tmp_path: Path, make_timit: Callable) -> None:
    make_timit(tmp_path / "x")
    (tmp_path / "root/anna").mkdir(parents=True)
    (tmp_path / "x/TRAIN/DR1/FCJF0/SA1.WAV").rename(tmp_path / "root/anna/one.sph")
    (one,) = open_corpus(tmp_path / "root").utterances()
    assert (one.id, one.n_samples) == ("anna_one", 3200)


def test_a_tab_separated_table_and_its_gaps(voices: Path) -> None:
    (voices / "speakers.csv").unlink()
    (voices / "Speakers.tsv").write_text("Sex\tSpeaker\nf\tanna\n\tclara\n")
    utterances, problems = read(voices)
    assert [one.sex for one in utterances] == ["female", "female", "unknown"]
    assert [(one.code, one.item) for one in problems] == [
        ("unknown_speaker", "ben"),
        ("speaker_without_audio", "clara"),
    ]


def test_no_table(voices: Path) -> None:
    (voices / "speakers.csv").unlink()
    utterances, problems = read(voices)
    assert {one.sex for one in utterances} == {"unknown"}
    assert [one.message for one in problems] == [
        "speakers.csv: missing; the sexes are not known (columns: speaker,sex)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anna,f\n", "the first line must name the columns 'speaker' and 'sex', received anna, f"),
        ("", "the first line must name the columns 'speaker' and 'sex', received nothing"),
        ("speaker,sex\nanna,girl\n", "line 2: sex 'girl': allowed are female, male, unknown"),
        ("speaker,sex\nanna,f\nanna,m\n", "line 3: speaker 'anna' has two sexes: keep one row"),
        ("speaker,sex\n,m\n", "line 2: an empty speaker"),
    ],
)
def test_a_malformed_table_is_an_error(voices: Path, text: str, message: str) -> None:
    (voices / "speakers.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read(voices)
    assert message in str(caught.value) and "speakers.csv" in str(caught.value)


def test_two_tables_are_an_error(voices: Path) -> None:
    (voices / "speakers.tsv").write_text("speaker\tsex\n")
    with pytest.raises(InputError, match=r"has speakers.csv and speakers.tsv: keep one table"):
        read(voices)


def test_a_short_row_is_unknown() -> None:
    assert parse_speakers("speaker,sex\nanna\n", "x", delimiter=",") == {"anna": "unknown"}


def test_folders_named_like_splits_are_splits(tmp_path: Path, write_wav: Callable) -> None:
    write_wav(tmp_path / "Train/anna/1.wav")
    write_wav(tmp_path / "Test/ben/1.wav")
    write_wav(tmp_path / "Test/stray.wav")
    utterances, problems = read(tmp_path)
    assert [(one.id, one.speaker, one.split) for one in utterances] == [
        ("anna_1", "anna", "train"),
        ("ben_1", "ben", "test"),
    ]
    assert ("unrecognised", "Test/stray.wav") in [(one.code, one.item) for one in problems]


def test_what_is_left_out_is_reported(voices: Path, write_wav: Callable) -> None:
    write_wav(voices / "nobody.wav")
    write_wav(voices / "anna/002.wav")
    (voices / "anna/003.wav").write_bytes(b"RIFF")
    (voices / "anna/004.txt").write_text("lost")
    (voices / "ben/notes.txt").write_text("about Ben")
    utterances, problems = read(voices)
    assert [one.id for one in utterances] == ["anna_002", "anna_002.2", "anna_monday_001", "ben_a"]
    assert [(one.code, one.item) for one in problems] == [
        ("unrecognised", "nobody.wav"),
        ("text_without_audio", "anna/004.txt"),
        ("duplicate_id", "anna/002.wav"),
        ("broken", "anna/003.wav"),
    ]
    assert problems[2].message == (
        "anna/002.wav: same speaker and sentence as anna/002.flac; read under the id anna_002.2"
    )


def test_a_name_that_looks_like_a_numbered_copy_stays_unique(tmp_path: Path, write_wav: Callable) -> None:
    for name in ("a.wav", "a.flac", "a.ogg", "a.2.wav"):
        write_wav(tmp_path / "anna" / name)
    utterances, _ = read(tmp_path)
    assert len({one.id for one in utterances}) == 4
    assert [one.id for one in utterances] == sorted(one.id for one in utterances)


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected <speaker>/.*such as anna/monday/001.wav"):
        list(SpeakerFolders(tmp_path).utterances())


def test_an_unknown_layout_names_all_that_are_known(tmp_path: Path, write_wav: Callable) -> None:
    write_wav(tmp_path / "loose.wav")
    with pytest.raises(InputError) as caught:
        open_corpus(tmp_path)
    assert "no known corpus layout found, expected one of" in str(caught.value)
    assert all(f"\n  {name}: {corpus_class(name).layout}" in str(caught.value) for name in CORPORA)


def test_a_missing_folder_a_file_and_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder: give the folder of a corpus"):
        open_corpus(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        open_corpus(tmp_path / "file")
    with pytest.raises(ConfigError, match="unknown corpus 'timti': did you mean 'timit'"):
        open_corpus(tmp_path, "timti")

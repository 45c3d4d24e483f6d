"""LDC TIMIT in the letter cases, prefixes and re-packs that circulate."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.corpora.records import Interval, Problem, open_corpus
from sepvae.corpora.timit import Timit
from sepvae.corpora.timit_files import parse_intervals, parse_speakers
from sepvae.errors import InputError

Make = Callable[..., Path]


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "timit"
    return list(corpus.utterances()), corpus.problems


def test_records(tmp_path: Path, make_timit: Make) -> None:
    utterances, problems = read(make_timit(tmp_path))
    assert problems == []
    assert [one.id for one in utterances] == [
        "FCJF0_SA1", "FCJF0_SX9", "FELC0_SA1", "FELC0_SX9", "MARC0_SA1", "MARC0_SX9",
    ]  # fmt: skip
    first = utterances[0]
    assert (first.path, first.speaker, first.sex, first.split) == (
        "TRAIN/DR1/FCJF0/SA1.WAV", "FCJF0", "female", "train",
    )  # fmt: skip
    assert (first.sample_rate, first.n_samples, first.duration_s) == (16000, 3200, 0.2)
    assert first.text == "FCJF0 says SA1."
    assert first.words == (Interval(400, 1600, "says"), Interval(1600, 2800, "it"))
    assert [phone.label for phone in first.phones] == ["h#", "s", "ih", "h#"]
    assert [one.split for one in utterances] == ["train", "train", "test", "test", "train", "train"]
    assert [one.dialect for one in utterances] == ["1", "1", "1", "1", "2", "2"]
    assert utterances[4].sex == "male"


def test_the_sphere_samples_are_those_written(tmp_path: Path, make_timit: Make, speech: Callable) -> None:
    utterances, _ = read(make_timit(tmp_path))
    wave = audio.read_mono(tmp_path / utterances[0].path, 16000)
    assert np.array_equal(wave, (np.rint(speech("FCJF0_SA1") * 32768) / 32768).astype(np.float32))


@pytest.mark.parametrize("prefix", ["", "TIMIT", "timit", "data", "data/TIMIT", "data/timit/TIMIT"])
@pytest.mark.parametrize("rename", [str, str.lower, str.title])
def test_any_prefix_and_letter_case(tmp_path: Path, make_timit: Make, prefix: str, rename: Callable) -> None:
    make_timit(tmp_path / prefix, ("TRAIN/DR1/FCJF0", "TEST/DR8/MJLN0"), sentences=("SA1",), rename=rename)
    utterances, problems = read(tmp_path)
    assert [(one.id, one.split) for one in utterances] == [("FCJF0_SA1", "train"), ("MJLN0_SA1", "test")]
    assert all(one.text and one.words and one.phones for one in utterances)
    assert all((tmp_path / one.path).is_file() for one in utterances)
    assert problems == []


def test_one_split_alone_is_read_with_the_table_above_it(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    utterances, problems = read(tmp_path / "TRAIN")
    assert {(one.speaker, one.split) for one in utterances} == {("FCJF0", "train"), ("MARC0", "train")}
    assert utterances[0].path == "DR1/FCJF0/SA1.WAV"
    assert problems == []


def test_a_relative_root_knows_its_own_name(tmp_path: Path, make_timit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_timit(tmp_path)
    monkeypatch.chdir(tmp_path / "TEST")
    assert {one.split for one in open_corpus(".").utterances()} == {"test"}


def test_repacks_beside_the_original_are_the_same_utterance(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    for path in tmp_path.rglob("*.WAV"):
        audio.write(path.with_name(path.name + ".wav"), audio.read(path).wave, sample_rate=16000, subtype="pcm16")
    utterances, problems = read(tmp_path)
    assert len(utterances) == 6 and problems == []
    assert all(one.path.endswith(".WAV") for one in utterances)


def test_repacks_alone_find_their_side_files(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path, riff=True)
    for path in list(tmp_path.rglob("*.WAV")):
        path.rename(path.with_name(path.name + ".wav"))
    utterances, problems = read(tmp_path)
    assert len(utterances) == 6 and problems == []
    assert utterances[0].path == "TRAIN/DR1/FCJF0/SA1.WAV.wav" and utterances[0].words


def test_a_repack_replaces_a_broken_original_which_is_reported(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    original = tmp_path / "TRAIN/DR1/FCJF0/SA1.WAV"
    audio.write(original.with_name("SA1.WAV.wav"), audio.read(original).wave, sample_rate=16000, subtype="pcm16")
    original.write_bytes(b"NIST_1A\n   1024\n")
    utterances, problems = read(tmp_path)
    assert utterances[0].path == "TRAIN/DR1/FCJF0/SA1.WAV.wav" and len(utterances) == 6
    assert [(one.code, one.item) for one in problems] == [("broken", "TRAIN/DR1/FCJF0/SA1.WAV")]


def test_missing_side_files_are_reported_not_fatal(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    for ending in ("TXT", "WRD", "PHN"):
        (tmp_path / f"TRAIN/DR1/FCJF0/SA1.{ending}").unlink()
    utterances, problems = read(tmp_path)
    assert (utterances[0].text, utterances[0].words, utterances[0].phones) == (None, (), ())
    assert [(one.code, one.item) for one in problems] == [
        ("missing_text", "TRAIN/DR1/FCJF0/SA1.TXT"),
        ("missing_words", "TRAIN/DR1/FCJF0/SA1.WRD"),
        ("missing_phones", "TRAIN/DR1/FCJF0/SA1.PHN"),
    ]
    assert problems[0].message == "TRAIN/DR1/FCJF0/SA1.TXT: missing beside its audio"


def test_side_files_without_audio_are_missing_audio(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    (tmp_path / "TEST/DR1/FELC0/SX9.WAV").unlink()
    utterances, problems = read(tmp_path)
    assert len(utterances) == 5
    assert [(one.code, one.item) for one in problems] == [("missing_audio", "TEST/DR1/FELC0/SX9.WAV")]


def test_broken_files_are_reported_each_with_its_reason(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    folder = tmp_path / "TRAIN/DR1/FCJF0"
    (folder / "SA1.WAV").write_bytes(b"")
    whole = (folder / "SX9.WAV").read_bytes()
    (folder / "SX9.WAV").write_bytes(whole[:-100])
    (tmp_path / "TRAIN/DR2/MARC0/SA1.WRD").write_text("400 says\n")
    (tmp_path / "TRAIN/DR2/MARC0/SA1.TXT").write_bytes(b"0 3200 caf\xe9\n")
    utterances, problems = read(tmp_path)
    assert [one.id for one in utterances] == ["FELC0_SA1", "FELC0_SX9", "MARC0_SA1", "MARC0_SX9"]
    assert (utterances[2].text, utterances[2].words) == (None, ()) and utterances[2].phones
    reasons = {one.item: (one.code, one.message) for one in problems}
    assert reasons["TRAIN/DR1/FCJF0/SA1.WAV"][0] == "broken"
    assert "the file is empty (0 bytes)" in reasons["TRAIN/DR1/FCJF0/SA1.WAV"][1]
    assert "100 bytes of audio are missing" in reasons["TRAIN/DR1/FCJF0/SX9.WAV"][1]
    assert reasons["TRAIN/DR2/MARC0/SA1.WRD"] == (
        "broken_alignment",
        "TRAIN/DR2/MARC0/SA1.WRD, line 1: expected 'begin end label', received '400 says'",
    )
    assert reasons["TRAIN/DR2/MARC0/SA1.TXT"][0] == "broken_text" and "not UTF-8" in reasons[
        "TRAIN/DR2/MARC0/SA1.TXT"][1]  # fmt: skip


def test_an_utterance_of_no_samples_is_reported(tmp_path: Path, make_timit: Make, write_wav: Callable) -> None:
    make_timit(tmp_path, riff=True)
    write_wav(tmp_path / "TRAIN/DR1/FCJF0/SA1.WAV", 0)
    _, problems = read(tmp_path)
    assert [(one.code, one.message) for one in problems] == [("empty", "TRAIN/DR1/FCJF0/SA1.WAV: holds no samples")]


def test_audio_outside_the_layout_is_reported_and_hidden_files_are_not_corpus(
    tmp_path: Path, make_timit: Make, write_wav: Callable
) -> None:
    make_timit(tmp_path)
    write_wav(tmp_path / "extra/noise.wav")
    (tmp_path / "TRAIN/DR1/FCJF0/._SA1.WAV").write_bytes(b"resource fork")
    utterances, problems = read(tmp_path)
    assert len(utterances) == 6
    assert [(one.code, one.item) for one in problems] == [("unrecognised", "extra/noise.wav")]
    assert "such as TRAIN/DR1/FCJF0/SA1.WAV" in problems[0].message


def test_a_speaker_copied_into_the_other_split_stays_visible(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    shutil.copytree(tmp_path / "TRAIN/DR1/FCJF0", tmp_path / "TEST/DR1/FCJF0")
    utterances, problems = read(tmp_path)
    assert len({one.id for one in utterances}) == len(utterances) == 8
    assert [one.id for one in utterances] == sorted(one.id for one in utterances)
    assert {(one.id, one.split) for one in utterances if "FCJF0_SA1" in one.id} == {
        ("FCJF0_SA1", "test"),
        ("FCJF0_SA1.2", "train"),
    }
    codes = [one.code for one in problems]
    assert codes.count("duplicate_id") == 2 and codes.count("split_mismatch") == 1
    assert "FCJF0: belongs to train in SPKRINFO.TXT, the folder lies in test" in [one.message for one in problems]


def test_the_table_of_speakers_is_compared(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path)
    (tmp_path / "DOC/SPKRINFO.TXT").write_text("; comment\nCJF0 M 1 TRN\nARC0 M 2 XXX\n")
    utterances, problems = read(tmp_path)
    assert utterances[0].sex == "female"
    assert [(one.code, one.message) for one in problems] == [
        ("broken_speaker_table", "SPKRINFO.TXT, line 3: expected 'ID M|F 1-8 TRN|TST ...', received 'ARC0 M 2 XXX'"),
        ("sex_mismatch", "FCJF0: male in SPKRINFO.TXT, another sex in the folder name"),
        ("unknown_speaker", "FELC0: has no row in SPKRINFO.TXT"),
        ("unknown_speaker", "MARC0: has no row in SPKRINFO.TXT"),
    ]


def test_a_missing_table_of_speakers_is_reported(tmp_path: Path, make_timit: Make) -> None:
    utterances, problems = read(make_timit(tmp_path, table=False))
    assert len(utterances) == 6
    assert [one.code for one in problems] == ["missing_speaker_table"]
    assert "sexes are taken from the folder names" in problems[0].message


def test_nothing_found_is_an_error_that_names_the_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected TRAIN.*such as TRAIN/DR1/FCJF0/SA1.WAV"):
        list(Timit(tmp_path).utterances())


def test_nothing_readable_is_an_error_with_the_first_reason(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path, ("TRAIN/DR1/FCJF0",))
    for path in tmp_path.rglob("*.WAV"):
        path.write_bytes(b"text, not audio")
    corpus = open_corpus(tmp_path)
    with pytest.raises(InputError, match=r"2 audio files were left out, the first: .*SA1.WAV: not an audio file"):
        list(corpus.utterances())
    assert [one.code for one in corpus.problems] == ["broken", "broken"]


def test_reading_twice_gives_the_same_and_does_not_pile_up_problems(tmp_path: Path, make_timit: Make) -> None:
    corpus = open_corpus(make_timit(tmp_path, table=False))
    first = list(corpus.utterances()), list(corpus.problems)
    assert (list(corpus.utterances()), corpus.problems) == first


def test_links_to_folders_are_followed_once(tmp_path: Path, make_timit: Make) -> None:
    make_timit(tmp_path / "disk")
    root = tmp_path / "corpus"
    root.mkdir()
    for name in ("TRAIN", "TEST", "DOC"):
        (root / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk/TRAIN/loop").symlink_to(tmp_path / "disk/TRAIN")
    utterances, problems = read(root)
    assert len(utterances) == 6 and problems == []


words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.integers(-5, 10**6), st.integers(0, 10**6), words), max_size=20))
def test_intervals_survive_writing_and_parsing(rows: list[tuple[int, int, str]]) -> None:
    text = "".join(f"{start} {stop} {label}\r\n" for start, stop, label in rows)
    assert parse_intervals(text, "x.wrd") == tuple(Interval(*row) for row in rows)


initials = st.from_regex(r"[A-Z]{3}[0-9]", fullmatch=True)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("FM"), initials),
        st.tuples(st.integers(1, 8), st.sampled_from(["TRN", "TST"]), st.text("ABC .'/;", max_size=20)),
    )
)
def test_the_table_of_speakers_is_parsed_whatever_the_comments(rows: dict) -> None:
    lines = [f"{name} {sex} {dialect} {use} 1/1/86 {rest}" for (sex, name), (dialect, use, rest) in rows.items()]
    problems: list[Problem] = []
    table = parse_speakers("; head\n\n" + "\n".join(lines), "SPKRINFO.TXT", problems)
    assert problems == []
    assert {key: (row.dialect, row.split) for key, row in table.items()} == {
        sex + name: (dialect, "train" if use == "TRN" else "test") for (sex, name), (dialect, use, _) in rows.items()
    }
    assert all(row.sex == ("female" if key[0] == "F" else "male") for key, row in table.items())


@given(st.text(max_size=200))
def test_hostile_tables_and_alignments_give_problems_or_input_errors(text: str) -> None:
    parse_speakers(text, "SPKRINFO.TXT", [])
    try:
        parse_intervals(text, "x.phn")
    except InputError as error:
        assert "expected 'begin end label'" in str(error)

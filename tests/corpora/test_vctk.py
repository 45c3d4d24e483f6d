"""VCTK 0.92 and 0.80: two microphones, empty regions, ids with and without p, missing texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.corpora.records import Problem, open_corpus
from sepvae.corpora.vctk import Vctk, parse_speakers
from sepvae.errors import InputError

TABLE_092 = """ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p226  22  M    English    Surrey
p280  25  F    French              (mic2 files unavailable)
p315  18  M    American
s5    21  F    British
"""
TABLE_080 = "ID  AGE  GENDER  ACCENTS  REGION \n225  23  F    English    Southern England\n226  22  M    English \n"


@pytest.fixture
def make_vctk(speech: Callable) -> Callable[..., Path]:
    def write(path: Path) -> None:
        audio.write(path, speech(path.stem, 9600), sample_rate=48000, subtype="pcm16")

    def make(root: Path, version: str = "0.92") -> Path:
        new = version == "0.92"
        base = root / ("VCTK-Corpus-0.92" if new else "VCTK-Corpus")
        for speaker in ("p225", "p226", *(("p280", "p315", "s5") if new else ())):
            folder = base / ("wav48_silence_trimmed" if new else "wav48") / speaker
            for number in (1, 2):
                stem = f"{speaker}_{number:03d}"
                for ending in ("_mic1.flac", "_mic2.flac") if new else (".wav",):
                    if (speaker, ending) != ("p280", "_mic2.flac"):
                        write(folder / (stem + ending))
                if speaker != "p315":
                    (base / "txt" / speaker).mkdir(parents=True, exist_ok=True)
                    (base / "txt" / speaker / f"{stem}.txt").write_text(f"Please call\n Stella {number}. \n")
        if new:
            (base / "wav48_silence_trimmed" / "log.txt").write_text("p225_001_mic1 trimmed\n")
        (base / "speaker-info.txt").write_text(TABLE_092 if new else TABLE_080)
        return root

    return make


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "vctk"
    return list(corpus.utterances()), corpus.problems


def test_version_092(tmp_path: Path, make_vctk: Callable) -> None:
    utterances, problems = read(make_vctk(tmp_path))
    assert [one.id for one in utterances[::2]] == ["p225_001", "p226_001", "p280_001", "p315_001", "s5_001"]
    assert [one.sex for one in utterances[::2]] == ["female", "male", "female", "male", "female"]
    assert all(one.path.endswith("_mic1.flac") for one in utterances)
    assert {(one.sample_rate, one.n_samples, one.split) for one in utterances} == {(48000, 9600, None)}
    assert utterances[0].text == "Please call Stella 1." and utterances[6].text is None
    assert [(one.code, one.message) for one in problems] == [
        ("missing_text", "txt/p315: missing; 2 utterances have no text")
    ]


@pytest.mark.parametrize("inside", [True, False])
def test_version_080(tmp_path: Path, make_vctk: Callable, inside: bool) -> None:
    root = make_vctk(tmp_path, "0.80")
    utterances, problems = read(root / "VCTK-Corpus" if inside else root)
    assert [(one.id, one.speaker, one.sex) for one in utterances[::2]] == [
        ("p225_001", "p225", "female"),
        ("p226_001", "p226", "male"),
    ]
    assert problems == [] and utterances[0].path.endswith("wav48/p225/p225_001.wav")


def test_the_second_microphone_stands_in_and_says_so(tmp_path: Path, make_vctk: Callable) -> None:
    make_vctk(tmp_path)
    folder = tmp_path / "VCTK-Corpus-0.92/wav48_silence_trimmed/p225"
    (folder / "p225_001_mic1.flac").unlink()
    (folder / "p225_002_mic1.flac").write_bytes(b"fLaC cut")
    utterances, problems = read(tmp_path)
    assert [one.path.rpartition("/")[2] for one in utterances[:2]] == ["p225_001_mic2.flac", "p225_002_mic2.flac"]
    assert [one.code for one in problems] == ["missing_microphone", "missing_text", "broken"]
    assert "because the take of microphone 1 is missing" in problems[0].message


def test_texts_and_audio_that_do_not_meet(tmp_path: Path, make_vctk: Callable) -> None:
    make_vctk(tmp_path, "0.80")
    base = tmp_path / "VCTK-Corpus"
    (base / "txt/p225/p225_001.txt").unlink()
    (base / "wav48/p226/p226_002.wav").unlink()
    (base / "speaker-info.txt").unlink()
    utterances, problems = read(tmp_path)
    assert len(utterances) == 3 and {one.sex for one in utterances} == {"unknown"}
    assert [(one.code, one.item) for one in problems] == [
        ("missing_speaker_table", "speaker-info.txt"),
        ("missing_text", "txt/p225/p225_001.txt"),
        ("text_without_audio", "VCTK-Corpus/txt/p226/p226_002.txt"),
    ]


def test_a_resampled_copy_beside_the_original_is_left_out_aloud(
    tmp_path: Path, make_vctk: Callable, write_wav: Callable
) -> None:
    make_vctk(tmp_path, "0.80")
    write_wav(tmp_path / "VCTK-Corpus/wav16/p225/p225_001.wav")
    write_wav(tmp_path / "VCTK-Corpus/wav48/p225/stray.wav")
    utterances, problems = read(tmp_path)
    assert {one.sample_rate for one in utterances} == {48000} and len(utterances) == 4
    assert [(one.code, one.item) for one in problems] == [
        ("unrecognised", "VCTK-Corpus/wav48/p225/stray.wav"),
        ("unrecognised", "wav16"),
    ]
    assert "another version of the audio in wav48; left out" in problems[1].message


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected wav48_silence_trimmed/.*\(0.80\)"):
        list(Vctk(tmp_path).utterances())


def test_malformed_rows_are_problems() -> None:
    problems: list[Problem] = []
    assert parse_speakers("ID AGE GENDER\n225 23 F\np226 male\n", "speaker-info.txt", problems) == {"p225": "female"}
    assert problems[0].message == (
        "speaker-info.txt, line 3: expected 'ID AGE M|F ACCENTS REGION', received 'p226 male'"
    )


regions = st.text("ABC dé()-,", max_size=20)


@given(st.dictionaries(st.integers(200, 400), st.tuples(st.sampled_from("FM"), regions)), st.booleans())
def test_any_region_keeps_the_row(rows: dict[int, tuple[str, str]], prefixed: bool) -> None:
    lines = [f"{'p' if prefixed else ''}{n}  23  {sex}    {region}" for n, (sex, region) in rows.items()]
    problems: list[Problem] = []
    table = parse_speakers("\n".join(["ID  AGE  GENDER  ACCENTS  REGION", *lines]), "x", problems)
    assert problems == []
    assert table == {f"p{n}": {"F": "female", "M": "male"}[sex] for n, (sex, _) in rows.items()}

"""CMU ARCTIC: voices alone and together, their texts and sexes, takes that are no recordings, what does not meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae.corpora import validate
from sepvae.corpora.arctic import SEXES, Arctic, parse_prompts
from sepvae.corpora.records import Problem, open_corpus
from sepvae.errors import InputError

TEXTS = {
    "arctic_a0001": "Author of the danger trail, Philip Steels, etc.",
    "arctic_a0002": 'He said "no".',
    "arctic_b0539": "That is all.",
}


@pytest.fixture
def make_voice(write_wav: Callable) -> Callable[..., Path]:
    def make(home: Path, *, upper: bool = False, texts: dict[str, str] | None = None) -> Path:
        def cased(name: str) -> str:
            return name.upper() if upper else name

        texts = TEXTS if texts is None else texts
        for name in texts:
            write_wav(home / cased("wav") / cased(f"{name}.wav"))
        lines = ['( {} "{}" )'.format(cased(name), text.replace('"', '\\"')) for name, text in texts.items()]
        table = home / cased("etc") / cased("txt.done.data")
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(lines) + "\n")
        return home

    return make


@pytest.fixture
def voices(tmp_path: Path, make_voice: Callable) -> Path:
    root = tmp_path / "CMU_ARCTIC"
    make_voice(root / "cmu_us_bdl_arctic")
    make_voice(root / "CMU_US_SLT_ARCTIC", upper=True)
    return root


def read(root: Path) -> tuple[list, list[Problem]]:
    corpus = open_corpus(root)
    assert corpus.name == "arctic"
    return list(corpus.utterances()), corpus.problems


def test_voices_in_any_letter_case(voices: Path) -> None:
    for root in (voices, voices.parent):
        utterances, problems = read(root)
        assert problems == []
        assert [(u.id, u.speaker, u.sex, u.prompt, u.text) for u in utterances] == [
            (f"{speaker}_{name}", speaker, sex, name, text)
            for speaker, sex in (("bdl", "male"), ("slt", "female"))
            for name, text in TEXTS.items()
        ]
        assert {(u.split, u.sample_rate, u.n_samples) for u in utterances} == {(None, 16000, 3200)}
        assert utterances[3].path.endswith("CMU_US_SLT_ARCTIC/WAV/ARCTIC_A0001.WAV")


@pytest.mark.parametrize("name", ["cmu_us_bdl_arctic", "cmu_us_awb_arctic-0.95-release"])
def test_one_voice_alone(tmp_path: Path, make_voice: Callable, name: str) -> None:
    utterances, problems = read(make_voice(tmp_path / name))
    assert [u.id for u in utterances] == [f"{name[7:10]}_{sentence}" for sentence in TEXTS] and problems == []
    assert utterances[0].path == "wav/arctic_a0001.wav" and utterances[1].text == TEXTS["arctic_a0002"]


def test_a_voice_without_texts_still_shares_its_prompts(voices: Path) -> None:
    (voices / "cmu_us_bdl_arctic/etc/txt.done.data").unlink()
    utterances, problems = read(voices)
    assert [u.text for u in utterances[:3]] == [None] * 3 and [u.prompt for u in utterances[:3]] == list(TEXTS)
    assert [(one.code, one.message) for one in problems] == [
        ("missing_text", "cmu_us_bdl_arctic/etc/txt.done.data: missing; 3 utterances have no text")
    ]


def test_an_earlier_list_of_prompts_is_matched_by_its_words(voices: Path, make_voice: Callable) -> None:
    make_voice(voices / "cmu_us_awb_arctic", texts={"arctic_a0002": "Author of the danger trail Philip Steels etc"})
    utterances, _ = read(voices)
    assert (utterances[0].id, utterances[0].prompt) == ("awb_arctic_a0002", "arctic_a0001")


def test_texts_and_audio_that_do_not_meet(voices: Path, write_wav: Callable) -> None:
    home = voices / "cmu_us_bdl_arctic"
    (home / "wav/arctic_a0001.wav").unlink()
    (home / "wav/arctic_a0002.wav").write_bytes(b"RIFF cut")
    write_wav(home / "wav/arctic_a0003.wav")
    with (home / "etc/txt.done.data").open("a") as file:
        file.write("( arctic_a0004 no quotes )\n\n")
    utterances, problems = read(voices)
    assert [u.id for u in utterances[:2]] == ["bdl_arctic_a0003", "bdl_arctic_b0539"] and len(utterances) == 5
    assert [(one.code, one.item.rpartition("/")[2]) for one in problems] == [
        ("broken_text", "txt.done.data"),
        ("missing_text", "arctic_a0003.wav"),
        ("text_without_audio", "arctic_a0001.wav"),
        ("broken", "arctic_a0002.wav"),
    ]
    assert "line 4: expected '( arctic_a0001" in problems[0].message


def test_a_table_that_is_no_text(voices: Path) -> None:
    (voices / "cmu_us_bdl_arctic/etc/txt.done.data").write_bytes(b"\xff\xfe\x00")
    utterances, problems = read(voices)
    assert len(utterances) == 6 and [one.code for one in problems] == ["broken_text"]


def test_other_takes_and_strangers_are_left_out_aloud(voices: Path, make_voice: Callable, write_wav: Callable) -> None:
    for number in (1, 2):
        write_wav(voices / f"cmu_us_bdl_arctic/prompt-wav/arctic_a000{number}.wav")
    write_wav(voices / "cmu_us_bdl_arctic/wav/noise.wav")
    write_wav(voices / "anna/1.wav")
    make_voice(voices / "cmu_us_xyz_arctic")
    utterances, problems = read(voices)
    assert len(utterances) == 9 and utterances[-1].sex == "unknown"
    assert [(one.code, one.item) for one in problems] == [
        ("unrecognised", "anna/1.wav"),
        ("unrecognised", "cmu_us_bdl_arctic/wav/noise.wav"),
        ("unrecognised", "cmu_us_bdl_arctic/prompt-wav"),
        ("unknown_speaker", "xyz"),
    ]
    assert "2 audio files beside the recordings" in problems[2].message
    assert "no row in the list of the 18 published speakers" in problems[3].message


@pytest.mark.parametrize("place", ["ABA/wav/arctic_a0001.wav", "cmu_us_bdl_arctic/001.wav", "bdl_arctic/wav/1.wav"])
def test_corpora_that_only_resemble_it_stay_folders(tmp_path: Path, write_wav: Callable, place: str) -> None:
    write_wav(tmp_path / place)
    assert open_corpus(tmp_path).name == "folder"


def test_a_sound_copy_is_valid(voices: Path) -> None:
    report = validate.validate(open_corpus(voices))
    assert report.ok and report.problems == () and report.counts["sexes"] == {"female": 1, "male": 1}


def test_the_published_speakers() -> None:
    assert len(SEXES) == 18
    assert [name for name, sex in SEXES.items() if sex == "female"] == [
        "axb", "clb", "eey", "ljm", "lnh", "slp", "slt",
    ]  # fmt: skip


def test_an_empty_text_is_malformed() -> None:
    problems: list[Problem] = []
    assert parse_prompts('( arctic_a0001 "" )\n(arctic_a0002 "Go on.")', "x", problems) == {"arctic_a0002": "Go on."}
    assert len(problems) == 1 and "x, line 1" in problems[0].message


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected cmu_us_<speaker>_arctic/wav"):
        list(Arctic(tmp_path).utterances())

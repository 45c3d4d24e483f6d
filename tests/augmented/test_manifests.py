"""Manifests of any records open: with some of the texts and sexes, and with all that ids and texts can hold."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sepvae.augmented.manifests.kaldi import kaldi, kaldi_id
from sepvae.augmented.manifests.lhotse import lhotse as lhotse_manifests
from sepvae.augmented.records import Record, record_id, safe_name
from sepvae.corpora.records import Interval

from .kaldi_checks import check_data_folder, check_text

RATE = 16000
# What names of files can hold on Linux, and texts too: unicode spaces, line ends, quotes, words that Kaldi keeps.
ODD = st.sampled_from(
    [*"ab1-_=%+,.@ ~$#<>|'\"\\/\t\n\r\x0b\x85\xa0\u2028\u3000é日́", "--", "<s>", "</s>", "#0", "\udcff"]
)
NAMES = st.lists(ODD, min_size=1, max_size=6).map("".join)
TEXTS = st.none() | st.lists(ODD | st.sampled_from([" ", " #0 ", " <s> "]), max_size=8).map("".join)


def record(utterance: str, speaker: str, text: str | None, sex: str, n_samples: int, labelled: bool = False) -> Record:
    labels = (
        (Interval(0, max(n_samples // 2, 1), "word"), Interval(n_samples // 2, n_samples, "of")) if labelled else ()
    )
    name = record_id(utterance, "gain", 1)
    return Record(
        id=name, utterance=utterance, source="x.wav", method="gain", copy=1, seed=1, parameters=({"name": "gain"},),
        speaker=speaker, sex=sex, split=None, sample_rate=RATE, n_samples=n_samples, n_channels=1, text=text,
        words=labels, path=f"audio/{safe_name(name)}.wav",
    )  # fmt: skip


RECORDS = st.lists(
    st.builds(
        record,
        NAMES,
        NAMES,
        TEXTS,
        st.sampled_from(["female", "male", "unknown"]),
        st.integers(1, 10**7),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.id,
)


def write(records: Sequence[Record], folder: Path) -> Path:
    """Write both manifests, with paths as a run has them."""
    with kaldi(folder / "kaldi", str) as add, lhotse_manifests(folder / "lhotse", str) as add_to_lhotse:
        for one in records:
            add(one)
            add_to_lhotse(one)
    return folder


@settings(max_examples=60, deadline=None)
@given(records=RECORDS)
@example([record("u", "a", "<s> say #0", "female", 1), record("v", "a", None, "unknown", 2)])
@example([record("u 1", "a b", " \u3000", "female", 1), record("u\n1", "a-", "x", "male", 2)])
def test_kaldi_and_lhotse_open_what_is_written(records: list[Record]) -> None:
    with TemporaryDirectory() as made:
        folder = write(records, Path(made)) / "kaldi"
        assert set(check_data_folder(folder)) == {
            kaldi_id(one).encode(errors="backslashreplace").decode() for one in records
        }
        told = [one for one in records if one.text is not None and one.text.split()]
        assert (folder / "text").exists() == (len(told) == len(records))
        assert (folder / "transcribed").exists() == (0 < len(told) < len(records))
        if (folder / "transcribed").exists():
            assert len(check_data_folder(folder / "transcribed")) == len(told)
            assert (folder / "transcribed" / "text").exists()
        check_lhotse(records, folder.parent)


def check_lhotse(records: Sequence[Record], folder: Path) -> None:
    """Open everything with Lhotse, and let it validate what it opened."""
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    kaldi_module = pytest.importorskip("lhotse.kaldi", reason="lhotse is not installed")
    recordings = lhotse.RecordingSet.from_file(folder / "lhotse" / "recordings.jsonl.gz")
    supervisions = lhotse.SupervisionSet.from_file(folder / "lhotse" / "supervisions.jsonl.gz")
    lhotse.validate_recordings_and_supervisions(recordings, supervisions)
    lhotse.validate(lhotse.CutSet.from_file(folder / "lhotse" / "cuts.jsonl.gz"))
    assert [one.text for one in supervisions] == [one.text for one in records]
    for part in (folder / "kaldi", folder / "kaldi" / "transcribed"):
        if part.exists():
            opened, spoken, _ = kaldi_module.load_kaldi_data_dir(part, RATE)
            lhotse.validate_recordings_and_supervisions(opened, spoken)
            assert len(opened) == len(spoken) == len((part / "utt2spk").read_text().splitlines())


@pytest.mark.parametrize("n_told", range(5))
@pytest.mark.parametrize("n_sexes", range(3))
def test_every_share_of_labels(n_told: int, n_sexes: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [
        record(
            f"u{k}", f"s{k % 2}", "some words" if k < n_told else None, "male" if k % 2 < n_sexes else "unknown", 100
        )
        for k in range(4)
    ]
    folder = write(records, tmp_path) / "kaldi"
    assert len(check_data_folder(folder)) == 4
    assert (folder / "spk2gender").exists() == (n_sexes == 2)
    assert (folder / "text").exists() == (n_told == 4)
    assert (folder / "transcribed").exists() == (0 < n_told < 4)
    assert ("have no text" in caplog.text, "spk2gender" in caplog.text) == (0 < n_told < 4, n_sexes == 1)
    check_lhotse(records, tmp_path)


def test_a_folder_is_written_anew(tmp_path: Path) -> None:
    """What an earlier writing left is not taken for part of this one."""
    write([record("u", "s", "said", "male", 10), record("v", "s", None, "male", 10)], tmp_path)
    write([record("u", "s", None, "unknown", 10), record("v", "s", None, "unknown", 10)], tmp_path)
    assert {path.name for path in (tmp_path / "kaldi").iterdir()} == {
        "utt2spk",
        "spk2utt",
        "wav.scp",
        "utt2dur",
        "reco2dur",
    }


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"text": "s--u-gain-1 a\n"}, "text: other utterances"),
        ({"spk2gender": "x m\n"}, "spk2gender: other speakers"),
        ({"utt2dur": "s--u-gain-1 0\ns--v-gain-1 1\n"}, "utt2dur"),
        ({"text": "s--u-gain-1 a\ns--v-gain-1 b <s>\n"}, "text: b'<s>'"),
        ({"text": "s--u-gain-1 a\xa0b\ns--v-gain-1 b\n"}, "disallowed white space"),
        ({"utt2spk": "s--v-gain-1 s\ns--u-gain-1 s\n"}, "not in sorted order"),
        ({"spk2utt": "s s--u-gain-1\n"}, "do not match"),
        ({"wav.scp": "s--u-gain-1 ~/a.wav\ns--v-gain-1 b.wav\n"}, "tilde"),
    ],
)
def test_the_checks_find_what_kaldi_finds(fault: dict[str, str], message: str, tmp_path: Path) -> None:
    folder = write([record("u", "s", "a", "male", 10), record("v", "s", "b", "male", 10)], tmp_path) / "kaldi"
    check_data_folder(folder)
    for name, text in fault.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=message):
        check_data_folder(folder)


def test_words_of_kaldis_own_stay_readable(tmp_path: Path) -> None:
    folder = write([record("u", "s", "<s> a#0 x<s> #01 </s>", "male", 10)], tmp_path) / "kaldi"
    text = (folder / "text").read_text(encoding="utf-8")
    assert text == "s--u-gain-1 ＜s> a#0 x<s> #01 ＜/s>\n"
    check_text(text.encode())


def lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@settings(max_examples=30, deadline=None)
@given(records=RECORDS)
def test_labels_lie_in_their_recording(records: list[Record]) -> None:
    """What Lhotse does not look at: alignments are in the supervision, and every number is one."""
    with TemporaryDirectory() as made:
        for one in lines(write(records, Path(made)) / "lhotse" / "supervisions.jsonl.gz"):
            assert math.isfinite(one["duration"]) and one["duration"] > 0
            for tier in one.get("alignment", {}).values():
                assert all(start >= 0 and start + length <= one["duration"] + 1e-6 for _, start, length, _ in tier)

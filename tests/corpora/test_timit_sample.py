"""The NLTK sample of TIMIT: the real recordings, and small copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae.corpora.records import Interval, open_corpus
from sepvae.corpora.timit_sample import TimitSample
from sepvae.errors import InputError


def test_the_real_sample(corpora: Path) -> None:
    corpus = open_corpus(corpora / "timit-sample")
    utterances = list(corpus.utterances())
    assert corpus.name == "timit-sample" and corpus.problems == []
    assert len(utterances) == 120 and len({one.id for one in utterances}) == 120
    assert [one.id for one in utterances] == sorted(one.id for one in utterances)
    assert Counter(one.sex for one in utterances) == {"female": 60, "male": 60}
    assert {(one.sample_rate, one.split) for one in utterances} == {(16000, None)}
    assert all(one.text and one.words and one.phones for one in utterances)
    one = next(one for one in utterances if one.id == "FVMH0_SA1")
    assert one.path == "dr1-fvmh0/sa1.wav" and one.n_samples == one.phones[-1].stop == 54682
    assert one.text == "She had your dark suit in greasy wash water all year."
    assert one.words[0] == Interval(7812, 10610, "she") and one.phones[0] == Interval(0, 7812, "h#")


@pytest.mark.parametrize("prefix", ["", "timit"])
@pytest.mark.parametrize("rename", [str, str.upper])
def test_layouts(tmp_path: Path, write_wav: Callable, prefix: str, rename: Callable) -> None:
    folder = tmp_path / prefix / rename("dr3-madc0")
    write_wav(folder / rename("sx17.wav"))
    (folder / rename("sx17.txt")).write_text("0 3200 Hello there.\n")
    corpus = open_corpus(tmp_path)
    (one,) = corpus.utterances()
    assert corpus.name == "timit-sample"
    assert (one.id, one.speaker, one.sex, one.dialect, one.text) == (
        "MADC0_SX17", "MADC0", "male", "3", "Hello there.",
    )  # fmt: skip
    assert [problem.code for problem in corpus.problems] == ["missing_speaker_table", "missing_words", "missing_phones"]
    assert corpus.problems[1].item.endswith(rename("madc0/sx17.wrd"))


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no utterances found, expected dr<1-8>-<speaker>.*such as dr1-fvmh0/sa1.wav"):
        list(TimitSample(tmp_path).utterances())

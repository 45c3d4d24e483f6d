"""Copies compared with what was published: whole ones, parts, and ones with a hole."""

from __future__ import annotations

import pytest

from sepvae.corpora.reader import corpus_class
from sepvae.corpora.records import Utterance
from sepvae.corpora.validate import check_complete


def utterances(split: str | None, n_speakers: int, n_each: int) -> list[Utterance]:
    names = [(f"s{speaker}", f"s{speaker}_{number}") for speaker in range(n_speakers) for number in range(n_each)]
    return [Utterance(name, "x.wav", speaker, "female", split, 16000, 3200) for speaker, name in names]


@pytest.mark.parametrize(
    ("name", "split", "size", "message"),
    [
        ("vcc2016", "training", (10, 162), None),
        ("vcc2016", "training", (4, 162), None),
        ("vcc2016", "evaluation", (9, 54), None),
        ("vcc2016", "training", (9, 162), "1458 training files of 9 speakers; the full VCC2016 has 1620 of 10"),
        ("vcc2016", "training", (10, 161), "1610 training files of 10 speakers; the full VCC2016 has 1620 of 10"),
        ("vcc2018", "training", (12, 81), None),
        ("vcc2018", "evaluation", (8, 35), None),
        ("vcc2018", "training", (11, 81), "11 speakers; the full VCC2018 has 12"),
        ("arctic", None, (18, 593), None),
        ("arctic", None, (7, 1132), None),
        ("arctic", None, (17, 3), "17 speakers; the full CMU ARCTIC has 18"),
        ("folder", None, (17, 3), None),
    ],
)
def test_counts(name: str, split: str | None, size: tuple[int, int], message: str | None) -> None:
    found = check_complete(corpus_class(name), utterances(split, *size))
    assert [(one.code, one.item, one.message) for one in found] == (
        [("incomplete_copy", name, message)] if message else []
    )

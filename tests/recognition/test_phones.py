"""Folding of TIMIT's labels, and the frames that a phone gets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.corpora.records import Interval
from sepvae.errors import InputError
from sepvae.recognition.phones import NO_PHONE, PHONES, fold, frame_labels, stretches

# Every label of the documentation of the corpus (phoncode.doc) but the stress marks, by Table I of Lee & Hon 1989.
TIMIT = [
    "b", "d", "g", "p", "t", "k", "dx", "q", "jh", "ch", "s", "sh", "z", "zh", "f", "th",
    "v", "dh", "m", "n", "ng", "em", "en", "eng", "nx", "l", "r", "w", "y", "hh", "hv", "el",
    "iy", "ih", "eh", "ey", "ae", "aa", "aw", "ay", "ah", "ao", "oy", "ow", "uh", "uw", "ux", "er",
    "ax", "ix", "axr", "ax-h", "pau", "epi", "h#", "pcl", "tcl", "kcl", "bcl", "dcl", "gcl",
]  # fmt: skip


def test_61_labels_become_39_phones_and_a_glottal_stop_none() -> None:
    assert len(TIMIT) == 61
    assert len(PHONES) == 39 == len(set(PHONES))
    found = {fold(label) for label in TIMIT}
    assert found == {*range(39), None}
    assert [label for label in TIMIT if fold(label) is None] == ["q"]


@pytest.mark.parametrize(
    "group",
    ["aa ao", "ah ax ax-h", "er axr", "hh hv", "ih ix", "l el", "m em", "n en nx", "ng eng", "sh zh", "uw ux",
     "pcl tcl kcl bcl dcl gcl h# pau epi"],
)  # fmt: skip
def test_the_groups_of_lee_and_hon(group: str) -> None:
    assert len({fold(label) for label in group.split()}) == 1
    assert fold(group.split()[0].upper()) == fold(group.split()[0])


def test_labels_of_another_corpus_are_refused() -> None:
    with pytest.raises(InputError, match="phone 'AH0': is no label of TIMIT: use a corpus with TIMIT's"):
        fold("AH0")


CENTRES = np.arange(1, 11) * 160 - 40


def test_a_phone_has_the_frames_whose_centres_lie_in_it() -> None:
    phones = [Interval(0, 440, "h#"), Interval(440, 441, "q"), Interval(441, 900, "s"), Interval(900, 2000, "iy")]
    found = stretches(phones, CENTRES)
    # Centres 120 and 280 | (a glottal stop) 440 | 600, 760 | the rest.
    assert [(one.start, one.stop, PHONES[one.phone]) for one in found] == [(0, 2, "sil"), (3, 5, "s"), (5, 10, "iy")]
    labels = frame_labels(found, 10)
    assert (
        labels.tolist() == [PHONES.index("sil")] * 2 + [NO_PHONE] + [PHONES.index("s")] * 2 + [PHONES.index("iy")] * 5
    )


def test_a_phone_between_two_frames_has_the_nearest() -> None:
    (found,) = stretches([Interval(590, 599, "b")], CENTRES)
    assert (found.start, found.stop) == (3, 4)
    (found,) = stretches([Interval(9000, 9100, "b")], CENTRES)
    assert (found.start, found.stop) == (9, 10)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_phones_without_gaps_leave_no_frame_without_phone(lengths: list[int]) -> None:
    edges = np.cumsum([0, *lengths])
    phones = [Interval(int(a), int(b), "aa") for a, b in pairwise(edges)]
    labels = frame_labels(stretches(phones, CENTRES), 10)
    inside = edges[-1] > CENTRES
    assert (labels[inside] != NO_PHONE).all()

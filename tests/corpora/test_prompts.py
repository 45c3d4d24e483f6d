"""Which sentences of a parallel corpus are the same: by words where known, by number otherwise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sepvae.corpora.prompts import Prompts

WORDS = [f"sentence of {letter}" for letter in "abcdefgh"]


def test_a_speaker_without_a_transcript_reads_what_the_others_read() -> None:
    prompts = Prompts([("a0002", "Not at this particular case, Tom.")])
    assert prompts.name("a0002") == prompts.name("a0002", "not at this particular case TOM") == "a0002"
    assert prompts.name("a0003") == "a0003"


def test_two_spellings_under_one_number_are_one_sentence() -> None:
    prompts = Prompts([("a0001", "The colour was grey."), ("a0001", "The color was gray.")])
    assert {prompts.name("a0001", text) for text in ("The colour was grey.", "The color was gray.", None)} == {"a0001"}


def test_texts_without_words_do_not_make_sentences_the_same() -> None:
    prompts = Prompts([("a0001", "..."), ("a0002", "!")])
    assert [prompts.name("a0001", "..."), prompts.name("a0002", "!")] == ["a0001", "a0002"]


@given(shift=st.integers(-3, 3), permuted=st.permutations(range(8)))
def test_a_list_with_other_numbers_is_matched_by_its_words(shift: int, permuted: list[int]) -> None:
    usual = {f"a{number + 10:04}": WORDS[number] for number in range(8)}
    earlier = {f"a{number + 10 + shift:04}": WORDS[number] for number in range(8)}
    rows = [*usual.items(), *earlier.items()]
    prompts = Prompts(rows[index] for part in (0, 8) for index in [part + place for place in permuted])
    names = {}
    for table in (usual, earlier):
        for number, text in table.items():
            names.setdefault(text, set()).add(prompts.name(number, text))
    assert all(len(own) == 1 for own in names.values())
    assert len(set.union(*names.values())) == 8

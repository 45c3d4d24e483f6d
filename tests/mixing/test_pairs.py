"""Pairs of speakers and choices among them: 9 + 1 sentences, dialects, a number of speakers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sepvae.config import parse_config
from sepvae.corpora.records import Utterance, open_corpus
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.leaks import find_leaks
from sepvae.mixing.mixture import render
from sepvae.mixing.pairs import list_pairs, pair_pools
from sepvae.mixing.protocol import indistinct_sources, make_mixtures

RATE = 8000
Corpus = tuple[Path, list[Utterance]]


def config(**settings: object) -> MixingConfig:
    small = {"sample_rate": RATE, "n_train": 9, "n_valid": 0, "n_test": 1, "duration_s": [1, 8], "length": "max"}
    return parse_config(MixingConfig, {**small, **settings}, where="test")


@pytest.fixture(scope="module")
def tens(
    tmp_path_factory: pytest.TempPathFactory, build_corpus: Callable[..., list[Utterance]]
) -> tuple[Path, list[Utterance]]:
    """Eight speakers of two dialects with ten sentences, two of which all of them say."""
    root = tmp_path_factory.mktemp("tens")
    utterances = build_corpus(root, speakers=8, own=8, shared=2)
    return root, [replace(u, dialect="1" if u.speaker < "s4" else "2") for u in utterances]


@pytest.mark.parametrize("n_valid", [0, 3])
@pytest.mark.parametrize("pair", [["s1", "s0"], ["s3", "s4"]])
def test_nine_sentences_train_and_the_closest_two_are_the_test(tens: Corpus, pair: list[str], n_valid: int) -> None:
    root, utterances = tens
    made = make_mixtures(utterances, config(pairs=[pair], n_valid=n_valid), root=root, seed=0)
    (test,) = made.of_split("test")
    assert [s.name for s in test.sources] == ["female", "male"] == [s.sex for s in test.sources]
    women, men = ([u for u in utterances if u.speaker == s.speaker] for s in test.sources)
    assert [women[0].speaker, men[0].speaker] == pair
    # The closest in length of the sentences that the other one does not say.
    gaps = [
        abs(a.n_samples - b.n_samples)
        for a in women
        for b in men
        if "Speaker" in str(a.text) and "Speaker" in str(b.text)
    ]
    lengths = {u.id: u.n_samples for u in utterances}
    assert abs(np.subtract(*(lengths[s.utterance] for s in test.sources))) == min(gaps)
    for place, own in enumerate((women, men)):
        train = {m.sources[place].utterance for m in made.of_split("train")}
        valid = {m.sources[place].utterance for m in made.of_split("valid")}
        assert len(train) == (8 if n_valid else 9) and len(valid) == (1 if n_valid else 0)
        assert train | valid | {test.sources[place].utterance} == {u.id for u in own}
    for mixture in made.mixtures:
        for source in mixture.sources:
            assert source.n_samples == lengths[source.utterance]
        first, second = (
            wave[s.offset : s.offset + s.n_samples].astype(float)
            for wave, s in zip(render(mixture, root).sources.values(), mixture.sources, strict=True)
        )
        assert np.std(first) == pytest.approx(np.std(second), rel=1e-3)
    trained = 8 if n_valid else 9
    assert f"{pair[0]} ({trained}) + {pair[1]} ({trained})" in made.header.notes[0]


@pytest.mark.parametrize(("n_test", "held"), [(1, 1), (2, 2), (4, 2), (5, 3)])
def test_more_mixtures_of_a_pair_hold_more_sentences_out(tens: Corpus, n_test: int, held: int) -> None:
    root, utterances = tens
    made = make_mixtures(utterances, config(pairs=[["s1", "s0"]], n_valid=1, n_test=n_test), root=root, seed=0)
    tests = made.of_split("test")
    assert len({tuple(s.utterance for s in mixture.sources) for mixture in tests}) == n_test
    for place in (0, 1):
        used = {
            split: {m.sources[place].utterance for m in made.of_split(split)} for split in ("train", "valid", "test")
        }
        assert len(used["test"]) <= held and len(used["valid"]) == 1 and len(used["train"]) <= 9 - held
        assert not used["test"] & (used["train"] | used["valid"])
    closest = make_mixtures(utterances, config(pairs=[["s1", "s0"]]), root=root, seed=0).of_split("test")[0]
    held_out = {s.utterance for mixture in tests for s in mixture.sources}
    assert {s.utterance for s in closest.sources} <= held_out
    assert find_leaks(made.mixtures, speakers=False) == []


def test_each_pair_is_a_group_with_its_own_mixtures(tens: Corpus) -> None:
    root, utterances = tens
    made = make_mixtures(utterances, config(pairs=3), root=root, seed=0)
    groups = {
        f"pair-{number:02}": pair for number, pair in enumerate(list_pairs(utterances, ["female", "male"], seed=0)[:3])
    }
    for group, pair in groups.items():
        own = [mixture for mixture in made.mixtures if mixture.group == group]
        assert [mixture.split for mixture in own] == ["train"] * 9 + ["test"]
        assert {tuple(s.speaker for s in mixture.sources) for mixture in own} == {pair}
    fewer = make_mixtures(utterances, config(pairs=2), root=root, seed=0)
    assert fewer.mixtures == made.mixtures[:20]
    # A speaker may be the first of one pair and the second of another.
    anyone = make_mixtures(utterances, config(pairs=28, sources=["any", "any"]), root=root, seed=0)
    assert indistinct_sources(anyone.of_split("train")) == []


def test_pairs_of_one_dialect_come_first_and_each_once(tens: Corpus) -> None:
    _, utterances = tens
    dialects = {u.speaker: u.dialect for u in utterances}
    pairs = list_pairs(utterances, ["female", "male"], seed=0)
    assert len(set(pairs)) == len(pairs) == 16
    assert [dialects[one] == dialects[two] for one, two in pairs] == [True] * 8 + [False] * 8
    assert pairs != list_pairs(utterances, ["female", "male"], seed=1)
    assert pairs == list_pairs(utterances[::-1], ["female", "male"], seed=0)
    assert len(list_pairs(utterances, ["any", "any"], seed=0)) == 8 * 7 // 2


def test_speakers_with_few_whole_sentences_are_passed_over(tens: Corpus) -> None:
    _, utterances = tens
    fewer = [u for u in utterances if u.speaker != "s1" or u.id < "s1_5"]
    assert {one for one, _ in list_pairs(fewer, ["female", "male"], seed=0)} == {"s3", "s5", "s7"}


def test_in_a_parallel_corpus_the_test_sentences_are_taken_from_both(
    tmp_path: Path, build_corpus: Callable[..., list[Utterance]]
) -> None:
    utterances = build_corpus(tmp_path, speakers=2, own=0, shared=10)
    made = make_mixtures(utterances, config(pairs=1), root=tmp_path, seed=0)
    (test,) = made.of_split("test")
    tested, trained = ({s.text for s in m.sources} for m in (test, *made.of_split("train")[:1]))
    assert len(tested) == 2 and not tested & {s.text for m in made.of_split("train") for s in m.sources} and trained


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": 17}, "pairs = 17: there are 16 pairs of female \\+ male"),
        ({"pairs": [["s0", "s1"]]}, "no speaker 's0' of the class 'female'"),
        ({"pairs": 1, "split": "speaker_open"}, "leave the other out"),
        ({"pairs": 1, "n_test": 100}, "a speaker needs at least 11 different sentences"),
        ({"pairs": 1, "duration_s": [4.5, 9]}, "there are 0 pairs"),
        ({"dialects": [7]}, "dialects = 7: this corpus has 1, 2"),
        ({"dialects": 3}, "dialects = 3: this corpus has 1, 2"),
        ({"dialects": [7, 8]}, "dialects = 7, 8: this corpus has 1, 2"),
        ({"speakers": 9}, "speakers = 9: 1 of them are not"),
        ({"speakers": ["s0", "bob"]}, "1 of them are not"),
    ],
)
def test_what_is_not_there_is_named(tens: Corpus, settings: dict[str, object], message: str) -> None:
    root, utterances = tens
    with pytest.raises(InputError, match=message):
        make_mixtures(utterances, config(**settings), root=root, seed=0)


def test_where_both_say_the_same_few_sentences_something_is_left_to_train() -> None:
    both = [
        Utterance(
            f"{name}_{number}", f"{name}_{number}.wav", name, "female", None, RATE, 3 * RATE, text=f"say {number}"
        )
        for name in ("ann", "eve")
        for number in range(3)
    ]
    assert [len(own) for own in pair_pools(both, ("ann", "eve"), n_valid=0).train.values()] == [1, 1]
    with pytest.raises(InputError, match="a speaker needs at least 2 different sentences, which the other one"):
        pair_pools([one for one in both if one.text != "say 2"], ("ann", "eve"), n_valid=0)


@pytest.mark.parametrize("sources", [["any"], ["speech", "background"]])
def test_a_pair_is_of_two_who_speak(sources: list[str]) -> None:
    with pytest.raises(ConfigError, match="pairs: needs two sources that speak"):
        config(pairs=1, sources=sources)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [({"dialects": [2]}, {"s4", "s5", "s6", "s7"}), ({"speakers": ["s0", "s5", "s6"]}, {"s0", "s5", "s6"})],
)
def test_only_the_speakers_asked_for_are_mixed(tens: Corpus, choice: dict[str, object], chosen: set[str]) -> None:
    root, utterances = tens
    made = make_mixtures(utterances, config(n_train=20, n_test=2, **choice), root=root, seed=0)
    assert {s.speaker for m in made.mixtures for s in m.sources} == chosen


def test_one_dialect_is_the_one_with_most_utterances(tens: Corpus) -> None:
    root, utterances = tens
    fewer = [u for u in utterances if u.id != "s0_9"]
    made = make_mixtures(fewer, config(n_train=20, n_test=2, dialects=1), root=root, seed=0)
    assert {s.speaker for m in made.mixtures for s in m.sources} == {"s4", "s5", "s6", "s7"}
    none = [replace(u, dialect=None) for u in utterances]
    for dialects in (1, "each"):
        with pytest.raises(
            InputError, match=rf"dialects = {dialects}: this corpus has none .*: choose a number of spea"
        ):
            make_mixtures(none, config(dialects=dialects), root=root, seed=0)


def test_each_dialect_is_a_group_with_its_share_of_the_tests(tens: Corpus) -> None:
    root, utterances = tens
    settings = config(n_train=20, n_valid=1, n_test=5, dialects="each", sources=["speech", "background"])
    made = make_mixtures(utterances, settings, root=root, seed=0)
    dialects = {u.speaker: u.dialect for u in utterances}
    for group, dialect, n_test in (("dialect-0", "1", 3), ("dialect-1", "2", 2)):
        own = [mixture for mixture in made.mixtures if mixture.group == group]
        assert [mixture.split for mixture in own] == ["train"] * 20 + ["valid"] + ["test"] * n_test
        assert {dialects[s.speaker] for mixture in own for s in mixture.sources if s.speaker} == {dialect}
    assert find_leaks(made.mixtures, speakers=False) == []


@pytest.mark.parametrize("changes", [{"split": "speaker_open"}, {"pairs": 2}])
def test_each_dialect_goes_with_known_speakers_and_without_pairs(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="dialects = each: goes with speaker_seen and without pairs"):
        config(dialects="each", **changes)


def test_a_number_of_speakers_is_drawn_with_both_sexes(tens: Corpus) -> None:
    root, utterances = tens

    def heard(seed: int) -> set[tuple[str, str]]:
        made = make_mixtures(utterances, config(n_train=20, n_test=2, speakers=4), root=root, seed=seed)
        return {(s.speaker, s.sex) for m in made.mixtures for s in m.sources}

    assert sorted(sex for _, sex in heard(0)) == ["female", "female", "male", "male"]
    assert len({tuple(sorted(heard(seed))) for seed in range(4)}) > 1


@pytest.mark.parametrize(
    ("sources", "alike"),
    [
        (["any", "any"], [("any_1", "any_2")]),
        (["female", "any"], [("female", "any")]),
        (["female", "male"], []),
        (["speech", "background"], []),
    ],
)
def test_sources_that_nothing_tells_apart_are_noted(
    tens: Corpus, sources: list[str], alike: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    root, utterances = tens
    made = make_mixtures(utterances, config(sources=sources, n_train=40, n_test=4), root=root, seed=0)
    assert indistinct_sources(made.of_split("train")) == alike
    assert (
        any("share speakers" in note for note in made.header.notes) == bool(alike) == ("share speakers" in caplog.text)
    )


def test_too_many_mixtures_fail_before_a_file_is_read(tens: Corpus, tmp_path: Path) -> None:
    _, utterances = tens
    settings = config(n_train=1_000_000, skip_damaged=False)
    with pytest.raises(InputError, match=r"at most \d+ different train mixtures of female"):
        make_mixtures(utterances, settings, root=tmp_path / "nothing there", seed=0)
    with pytest.raises(ConfigError, match="n_train = 1000001"):
        config(n_train=1_000_001)


def test_the_sample_of_timit_has_25_pairs_with_whole_sentences(corpora: Path) -> None:
    corpus = open_corpus(corpora / "timit-sample")
    utterances = list(corpus.utterances())
    settings = parse_config(
        MixingConfig, {"pairs": 25, "n_train": 9, "n_valid": 0, "n_test": 1, "duration_s": [1, 10]}, where="x"
    )
    made = make_mixtures(utterances, settings, root=corpus.root, seed=0)
    assert [len(made.of_split(name)) for name in ("train", "valid", "test")] == [9 * 25, 0, 25]

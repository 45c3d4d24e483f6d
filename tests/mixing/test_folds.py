"""Folds of speakers: everybody is tested once, by models that have never heard them, in all companies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.protocol import make_mixtures

RATE = 8000
FOLDS = [["s0", "s1", "s2", "s3"], ["s4", "s5", "s6", "s7"]]
Corpus = tuple[Path, list[Utterance]]


def config(**settings: object) -> MixingConfig:
    small = {"sample_rate": RATE, "n_train": 6, "n_valid": 1, "n_test": 16, "duration_s": [1, 2], "folds": FOLDS}
    return parse_config(MixingConfig, {**small, "split": "speaker_open", **settings}, where="test")


def company(mixture: Mixture) -> frozenset[str]:
    return frozenset(source.speaker for source in mixture.sources)


@pytest.mark.parametrize(
    ("sources", "companies"),
    [(["female", "male"], 4), (["any", "any"], 6), (["any", "any", "any"], 4), (["speech"], 4)],
)
def test_each_fold_tests_all_companies_of_its_speakers_alike(
    corpus: Corpus, sources: list[str], companies: int
) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(sources=sources, n_test=4 * companies), root=root, seed=0)
    assert {mixture.group for mixture in made.mixtures} == {"fold-0", "fold-1"}
    for number, fold in enumerate(FOLDS):
        own = [mixture for mixture in made.of_split("test") if mixture.group == f"fold-{number}"]
        counts = Counter(map(company, own))
        assert len(counts) == companies and set(counts.values()) == {2}
        assert set().union(*counts) == set(fold)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_speaker_and_no_sentence_of_its_test_is_heard_in_training(corpus: Corpus, seed: int) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(), root=root, seed=seed)
    for group, fold in zip(("fold-0", "fold-1"), FOLDS, strict=True):
        own = [mixture for mixture in made.mixtures if mixture.group == group]
        heard = [s for m in own if m.split != "test" for s in m.sources]
        tested = [s for m in own if m.split == "test" for s in m.sources]
        assert heard and not {s.speaker for s in heard} & set(fold)
        assert not {s.text for s in heard} & {s.text for s in tested}


def test_mixtures_that_do_not_divide_go_to_the_first_folds_and_names_differ(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(n_test=7), root=root, seed=0)
    assert Counter(m.group for m in made.of_split("test")) == {"fold-0": 4, "fold-1": 3}
    assert len({m.id for m in made.mixtures}) == len(made.mixtures)


def test_fewer_mixtures_are_the_first_of_more(corpus: Corpus) -> None:
    root, utterances = corpus
    many, few = (
        make_mixtures(utterances, config(n_test=n, n_train=n_train), root=root, seed=3).of_split("test")
        for n, n_train in ((16, 6), (8, 2))
    )
    assert [m for m in many if m.id in {one.id for one in few}] == few


def test_folds_say_nothing_of_speakers_who_are_known(corpus: Corpus) -> None:
    root, utterances = corpus
    known = config(split="speaker_seen", n_test=4)
    made = make_mixtures(utterances, known, root=root, seed=0)
    assert (
        made.mixtures == make_mixtures(utterances, known.model_copy(update={"folds": None}), root=root, seed=0).mixtures
    )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"folds": [["s0", "s9"]]}, InputError, "fold 0 names s9, of whom the corpus has no utterance that is long"),
        ({"folds": [["s0", "s2"]]}, InputError, "no .*female"),
        ({"folds": [[f"s{n}" for n in range(8)]]}, InputError, "fold 0 has all speakers .*: nobody is left to train"),
        ({"folds": [["s0", "s1"], ["s1"]]}, ConfigError, "folds: s1 stands in them twice"),
        ({"pairs": 1}, ConfigError, "folds: each is a group of its own, as each of pairs is"),
        ({"folds": [["s0", "s1"]], "n_test": 99}, InputError, "at most 36 different test mixtures"),
    ],
)
def test_what_cannot_be_mixed_says_why(
    corpus: Corpus, settings: dict[str, object], error: type[Exception], message: str
) -> None:
    root, utterances = corpus
    with pytest.raises(error, match=message):
        make_mixtures(utterances, config(**settings), root=root, seed=0)

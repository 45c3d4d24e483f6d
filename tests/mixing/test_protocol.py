"""What is promised of drawn mixtures: no leak of sentences or speakers, stated levels, stable draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance, open_corpus
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.mixing.pools import sentence
from sepvae.mixing.protocol import make_mixtures

RATE = 8000
Corpus = tuple[Path, list[Utterance]]


def config(**settings: object) -> MixingConfig:
    small = {"sample_rate": RATE, "n_train": 12, "n_valid": 3, "n_test": 4}
    return parse_config(MixingConfig, {**small, **settings}, where="test")


def sentences(mixtures: list[Mixture]) -> set[str]:
    return {" ".join((s.text or s.utterance).lower().split()) for m in mixtures for s in m.sources}


def speakers(mixtures: list[Mixture]) -> set[str]:
    return {s.speaker for m in mixtures for s in m.sources}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), split=st.sampled_from(["speaker_seen", "speaker_open"]))
def test_no_sentence_of_a_test_is_trained_or_validated_on(corpus: Corpus, seed: int, split: str) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(split=split), root=root, seed=seed)
    train, valid, test = (made.of_split(name) for name in ("train", "valid", "test"))
    assert (len(train), len(valid), len(test)) == (12, 3, 4)
    assert not sentences(test) & (sentences(train) | sentences(valid))
    assert not sentences(valid) & sentences(train)
    if split == "speaker_open":
        assert not speakers(test) & (speakers(train) | speakers(valid))
    for mixture in made.mixtures:
        assert [s.sex for s in mixture.sources] == ["female", "male"] == [s.name for s in mixture.sources]


def test_in_the_surveys_split_test_speakers_also_train(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(n_train=40), root=root, seed=0)
    assert speakers(made.of_split("test")) <= speakers(made.of_split("train"))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), fewer=st.integers(1, 11))
def test_fewer_mixtures_are_the_first_of_more_and_leave_the_tests_alone(corpus: Corpus, seed: int, fewer: int) -> None:
    root, utterances = corpus
    more = make_mixtures(utterances, config(), root=root, seed=seed)
    less = make_mixtures(utterances, config(n_train=fewer), root=root, seed=seed)
    assert less.of_split("train") == more.of_split("train")[:fewer]
    assert less.of_split("test") == more.of_split("test")


def test_the_order_of_the_utterances_does_not_matter(corpus: Corpus) -> None:
    root, utterances = corpus
    forward = make_mixtures(utterances, config(), root=root, seed=1)
    backward = make_mixtures(utterances[::-1], config(), root=root, seed=1)
    assert forward == backward


def test_no_combination_of_utterances_comes_twice(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(n_train=100), root=root, seed=0)
    combinations = [tuple(s.utterance for s in m.sources) for m in made.of_split("train")]
    assert len(set(combinations)) == 100


def test_all_utterances_are_used_before_one_comes_again(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(n_train=60), root=root, seed=0)
    counts: dict[str, int] = {}
    for mixture in made.of_split("train"):
        counts[mixture.sources[0].utterance] = counts.get(mixture.sources[0].utterance, 0) + 1
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("snr_db", [(0.0, 0.0), (-6.0, -6.0), (3.0, 9.0)])
def test_the_measured_level_ratio_is_the_one_asked_for(corpus: Corpus, snr_db: tuple[float, float]) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(snr_db=snr_db), root=root, seed=0)
    measured = []
    for mixture in made.mixtures:
        first, second = render(mixture, root).sources.values()
        measured.append(10 * np.log10(np.mean(first.astype(float) ** 2) / np.mean(second.astype(float) ** 2)))
    assert min(measured) >= snr_db[0] - 1e-3
    assert max(measured) <= snr_db[1] + 1e-3
    if snr_db[0] < snr_db[1]:
        assert max(measured) - min(measured) > 1


def test_sources_have_the_level_asked_for(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(level_rms=0.02), root=root, seed=0)
    for wave in render(made.mixtures[0], root).sources.values():
        assert np.sqrt(np.mean(wave.astype(float) ** 2)) == pytest.approx(0.02, rel=1e-5)


def test_loud_mixtures_are_turned_down_together(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(level_rms=0.5), root=root, seed=0)
    for mixture in made.mixtures:
        rendered = render(mixture, root)
        assert np.abs(rendered.mixture).max() <= 0.99 + 1e-6
        levels = [np.sqrt(np.mean(wave.astype(float) ** 2)) for wave in rendered.sources.values()]
        assert levels[0] == pytest.approx(levels[1], rel=1e-5)


@pytest.mark.parametrize("length", ["min", "max"])
def test_lengths(corpus: Corpus, length: str) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(length=length, duration_s=(2.0, 4.0)), root=root, seed=0)
    for mixture in made.mixtures:
        assert 2 * RATE <= mixture.n_samples <= 4 * RATE
        spans = [s.n_samples for s in mixture.sources]
        assert mixture.n_samples == (min(spans) if length == "min" else max(spans))
        assert all(s.offset + s.n_samples <= mixture.n_samples for s in mixture.sources)


@pytest.mark.parametrize("sources", [["any"], ["any", "any"], ["female", "female", "male"], ["any"] * 4, ["s1", "s2"]])
def test_any_number_of_sources_of_different_speakers(corpus: Corpus, sources: list[str]) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(sources=sources, n_test=1), root=root, seed=0)
    assert len(made.of_split("train")) == 12
    for mixture in made.mixtures:
        assert len({s.speaker for s in mixture.sources}) == len({s.name for s in mixture.sources}) == len(sources)


def test_noise_has_the_ratio_asked_for_and_is_repeated_when_short(corpus: Corpus, tmp_path: Path) -> None:
    root, utterances = corpus
    noise = np.random.default_rng(1).standard_normal(RATE // 2).astype(np.float32) * 0.1
    audio.write(tmp_path / "deep" / "rain.wav", noise, sample_rate=RATE)
    settings_ = config(noise_folder=str(tmp_path), noise_snr_db=(5.0, 5.0))
    for mixture in make_mixtures(utterances, settings_, root=root, seed=0).mixtures:
        rendered = render(mixture, root)
        speech = np.sum(list(rendered.sources.values()), axis=0).astype(float)
        assert rendered.noise is not None
        assert 10 * np.log10(np.mean(speech**2) / np.mean(rendered.noise.astype(float) ** 2)) == pytest.approx(
            5, abs=1e-3
        )


def test_the_corpus_s_own_split_is_kept(corpus: Corpus) -> None:
    root, utterances = corpus
    marked = [replace(u, split="test" if u.speaker in ("s0", "s1") else "train") for u in utterances]
    made = make_mixtures(marked, config(split="speaker_open"), root=root, seed=5)
    assert speakers(made.of_split("test")) == {"s0", "s1"}


def test_a_parallel_corpus_gives_up_sentences_instead(
    tmp_path: Path, build_corpus: Callable[..., list[Utterance]]
) -> None:

    utterances = build_corpus(tmp_path, own=0, shared=10)
    for split in ("speaker_seen", "speaker_open"):
        made = make_mixtures(utterances, config(split=split, n_test=2, n_valid=1), root=tmp_path, seed=0)
        assert not sentences(made.of_split("test")) & sentences(made.of_split("train"))


def test_without_text_utterances_are_told_apart_by_id(corpus: Corpus) -> None:
    root, utterances = corpus
    silent = [replace(u, text=None) for u in utterances]
    made = make_mixtures(silent, config(), root=root, seed=0)
    assert any("no text" in note for note in made.header.notes)
    used = {s.utterance for m in made.of_split("test") for s in m.sources}
    assert not used & {s.utterance for m in made.of_split("train") for s in m.sources}


def test_sentences_are_compared_without_case_and_punctuation() -> None:
    a, b = (
        Utterance(i, "p", "s", "male", None, 1, 1, text)
        for i, text in (("a", "Don't  ask, me!"), ("b", "don't ask me"))
    )
    assert sentence(a) == sentence(b)


def test_a_prompt_tells_sentences_apart_without_passing_for_their_text() -> None:
    a, b, c = (Utterance(i, "p", "s", "male", None, 1, 1, prompt=i[-1]) for i in ("a1", "b1", "a2"))
    assert sentence(a) == sentence(b) != sentence(c)
    assert sentence(a) == sentence(replace(b, text="Known here alone.")) and a.text is None


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"n_test": 10**4}, "different test mixtures of female \\+ male"),
        ({"sources": ["p999", "male"]}, "class 'p999'"),
        ({"duration_s": [60, 70]}, "class 'female' that is long enough"),
        ({"noise_folder": "/nowhere"}, "/nowhere: no such folder: give one of noise"),
        ({"sources": ["femal", "male"]}, r"the class 'femal' .*: did you mean 'female'\? classes are"),
        ({"sources": ["S1", "male"]}, r"the class 'S1' .*: did you mean 's1'\? classes are"),
        ({"duration_s": [60, 70]}, r"the class 'female' .* speakers\): classes are"),
    ],
)
def test_what_cannot_be_drawn_says_why(corpus: Corpus, settings_: dict[str, object], message: str) -> None:
    root, utterances = corpus
    with pytest.raises(InputError, match=message):
        make_mixtures(utterances, config(**settings_), root=root, seed=0)


def test_one_speaker_of_a_class_cannot_be_speaker_open(corpus: Corpus) -> None:
    root, utterances = corpus
    few = [u for u in utterances if u.speaker in ("s0", "s1", "s3")]
    with pytest.raises(InputError, match="class 'male' has 1 speaker, needs at least 2"):
        make_mixtures(few, config(split="speaker_open"), root=root, seed=0)


def test_a_silent_file_is_named(corpus: Corpus, tmp_path: Path) -> None:
    _, utterances = corpus
    for u in utterances:
        audio.write(tmp_path / u.path, np.zeros(u.n_samples, np.float32), sample_rate=RATE)
    with pytest.raises(InputError, match=r"none of 64 utterances can be mixed, the first: .*s0_0\.wav: silent"):
        make_mixtures(utterances, config(), root=tmp_path, seed=0)


@pytest.mark.parametrize("bad", [{"snr_db": [5, 1]}, {"duration_s": [0, 1]}, {"n_train": -1}, {"length": "mean"}])
def test_impossible_settings_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        config(**bad)


def test_a_single_source_trains_on_every_utterance_there_is(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(sources=["speech"], n_train=500), root=root, seed=0).of_split("train")
    used = [mixture.sources[0].utterance for mixture in made]
    assert len(used) == len(set(used)) > len(utterances) / 2


@pytest.mark.parametrize("split", ["speaker_seen", "speaker_open"])
def test_the_survey_s_protocol_fits_twelve_speakers(corpora: Path, split: str) -> None:
    corpus = open_corpus(corpora / "timit-sample")
    made = make_mixtures(
        list(corpus.utterances()), parse_config(MixingConfig, {"split": split}, where="x"), root=corpus.root, seed=0
    )
    assert [len(made.of_split(name)) for name in ("train", "valid", "test")] == [80, 3, 10]
    assert not sentences(made.of_split("test")) & sentences(made.of_split("train"))

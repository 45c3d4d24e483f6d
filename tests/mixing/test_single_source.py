"""Manifests of single sources: each utterance once, alone; sentences of a speaker held out, damaged files left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.mixing.protocol import make_mixtures
from sepvae.mixing.single_source import corpus_mixtures, source_mixtures, speaker_mixtures, speech_mixtures

RATE = 8000
Speech = tuple[Path, list[Utterance]]


@pytest.fixture(scope="module")
def mixtures(corpus: Speech) -> list[Mixture]:
    root, utterances = corpus
    config = MixingConfig(sample_rate=RATE, n_train=40, n_valid=0, n_test=1, length="max", duration_s=(2.0, 6.0))
    return make_mixtures(utterances, config, root=root, seed=0).of_split("train")


@pytest.mark.parametrize("name", ["female", "male"])
def test_every_utterance_of_a_source_once_and_alone(corpus: Speech, mixtures: list[Mixture], name: str) -> None:
    alone = source_mixtures(mixtures, name)
    heard = {s.utterance: (m, s) for m in mixtures for s in m.sources if s.name == name}
    assert [m.sources[0].utterance for m in alone] == list(dict.fromkeys(heard))
    assert len({m.id for m in alone}) == len(alone) < 40
    for one in alone:
        assert len(one.sources) == 1
        rendered = render(one, corpus[0])
        assert np.array_equal(rendered.mixture, rendered.sources[name])
        mixture, source = heard[one.sources[0].utterance]
        whole = render(mixture, corpus[0]).sources[name]
        if source.n_samples == one.n_samples:
            np.testing.assert_allclose(
                rendered.mixture / np.abs(rendered.mixture).max(),
                whole[source.offset : source.offset + source.n_samples] / np.abs(whole).max(),
                atol=1e-6,
            )


def test_the_longest_stretch_is_taken(mixtures: list[Mixture]) -> None:
    mixture = mixtures[0]
    longer = mixture.sources[0]
    cut = longer.model_copy(update={"n_samples": longer.n_samples - 100})
    shorter = mixture.model_copy(update={"id": "cut", "sources": (cut, *mixture.sources[1:])})
    for order in ([mixture, shorter], [shorter, mixture]):
        assert source_mixtures(order, longer.name)[0].n_samples == longer.n_samples


def test_sentences_are_held_out_by_text(corpus: Speech) -> None:
    root, utterances = corpus
    path = next(u for u in utterances if u.speaker == "s1").path
    # Thirty sentences, each recorded twice.
    pool = [Utterance(f"u{n}", path, "s1", "male", None, RATE, 9, f"Number {n // 2}") for n in range(60)]
    chosen = []
    for seed in (0, 1):
        train, valid = speaker_mixtures(pool, "s1", root=root, sample_rate=RATE, seed=seed)
        assert len(train) == 54
        assert {m.sources[0].utterance for m in (*train, *valid)} == {u.id for u in pool}
        assert {m.sources[0].name for m in (*train, *valid)} == {"s1"}
        chosen.append({m.sources[0].text for m in valid})
        assert len(chosen[-1]) == 3
        assert not chosen[-1] & {m.sources[0].text for m in train}
    assert chosen[0] != chosen[1]


def test_whole_files_at_one_level_and_the_rate_asked_for(corpus: Speech) -> None:
    root, utterances = corpus
    train, _ = speaker_mixtures(utterances, "s2", root=root, sample_rate=RATE // 2, seed=0)
    lengths = {u.id: u.n_samples for u in utterances}
    for mixture in train:
        wave = render(mixture, root).mixture
        assert len(wave) == mixture.n_samples == pytest.approx(lengths[mixture.sources[0].utterance] / 2, abs=1)
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.05, rel=1e-4)


def test_damaged_files_are_left_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    utterances = []
    for number in range(3):
        wave = (0.3 * np.sin(2 * np.pi * random.uniform(100, 300) * time)).astype(np.float32)
        audio.write(tmp_path / f"{number}.wav", wave, sample_rate=RATE, subtype="pcm16")
        utterances.append(Utterance(f"u{number}", f"{number}.wav", "amy", "female", None, RATE, len(wave)))
    data = (tmp_path / "1.wav").read_bytes()
    # One byte lost in the middle: all samples behind it are noise.
    (tmp_path / "1.wav").write_bytes(data[:10001] + data[10002:] + b"\0")
    train, valid = speaker_mixtures(utterances, "amy", root=tmp_path, sample_rate=RATE, seed=0)
    assert {m.sources[0].utterance for m in train} == {"u0", "u2"}
    assert valid == []
    with pytest.raises(InputError, match="all files of the speaker 'amy' are damaged"):
        speaker_mixtures(utterances[1:2], "amy", root=tmp_path, sample_rate=RATE, seed=0)


def test_all_speech_of_a_corpus_once_and_whole(corpus: Speech) -> None:
    root, utterances = corpus
    train, valid = corpus_mixtures(utterances, root=root, sample_rate=RATE, seed=0)
    assert sorted(m.sources[0].utterance for m in (*train, *valid)) == sorted(u.id for u in utterances)
    assert {m.sources[0].name for m in (*train, *valid)} == {"speech"}
    assert not {m.sources[0].text for m in train} & {m.sources[0].text for m in valid}
    lengths = {u.id: u.n_samples for u in utterances}
    assert all(m.n_samples == lengths[m.sources[0].utterance] for m in train)


def test_files_that_cannot_be_learnt_from_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ["good", "silent", "missing"]
    utterances = [Utterance(name, f"{name}.wav", "amy", "female", None, RATE, RATE) for name in names]
    audio.write(tmp_path / "good.wav", np.sin(np.arange(RATE, dtype=np.float32)), sample_rate=RATE)
    audio.write(tmp_path / "silent.wav", np.zeros(RATE, np.float32), sample_rate=RATE)
    train, valid = corpus_mixtures(utterances, root=tmp_path, sample_rate=RATE, seed=0)
    assert [m.sources[0].utterance for m in (*train, *valid)] == ["good"]
    assert ["silent.wav" in caplog.messages[1], "missing.wav" in caplog.messages[0]] == [True, True]
    with pytest.raises(InputError, match="none of 2 files can be learnt from: see 'sepvae corpus validate'"):
        corpus_mixtures(utterances[1:], root=tmp_path, sample_rate=RATE, seed=0)


@pytest.mark.parametrize(("name", "message"), [("zoe", "there are s0, s1, s2"), ("a b", "cannot name a source")])
def test_unknown_and_impossible_names_are_refused(corpus: Speech, name: str, message: str) -> None:
    root, utterances = corpus
    with pytest.raises(InputError, match=message):
        speaker_mixtures(utterances, name, root=root, sample_rate=RATE, seed=0)


def test_all_that_is_said_whole_and_alone(corpus: Speech) -> None:
    root, utterances = corpus
    config = MixingConfig(sample_rate=RATE, n_train=40, n_valid=0, n_test=1, sources=["any", "any"])
    mixtures = make_mixtures(utterances, config, root=root, seed=0).of_split("train")
    speech = speech_mixtures(mixtures, root)
    said = {source.utterance: source for mixture in mixtures for source in mixture.sources}
    assert [m.sources[0].utterance for m in speech] == sorted(said)
    assert len({m.id for m in speech}) == len(speech)
    lengths = {u.id: u.n_samples for u in utterances}
    for mixture in speech:
        (source,) = mixture.sources
        assert (source.name, source.speaker) == ("speech", said[source.utterance].speaker)
        assert (source.start, source.offset, mixture.split) == (0, 0, "train")
        assert mixture.n_samples == source.n_samples == lengths[source.utterance]
        rendered = render(mixture, root)
        assert np.array_equal(rendered.mixture, rendered.sources["speech"])
        assert np.sqrt(np.mean(rendered.mixture**2)) == pytest.approx(0.05, rel=1e-4)
    # Whatever the order, and whatever else is there.
    assert speech_mixtures(mixtures[::-1], root) == speech
    assert speech_mixtures([], root) == []


def test_rooms_groups_and_backgrounds_are_left_behind(corpus: Speech, mixtures: list[Mixture]) -> None:
    root = corpus[0]
    places = {"kind": "simulated", "sample_rate": RATE}
    mixture, (first, second) = mixtures[0], mixtures[0].sources
    background = second.model_copy(update={"speaker": "", "name": "background"})
    changed = mixture.model_copy(
        update={"sources": (first, background), "group": "pair-00", "scene": places, "noise": background, "seed": 9}
    )
    (alone,) = speech_mixtures([changed], root)
    assert alone.sources[0].utterance == first.utterance
    assert (alone.group, alone.scene, alone.noise, alone.mixture_path, alone.seed) == (None,) * 5
    # The same speech is the same item, whatever it was mixed with.
    assert alone in speech_mixtures([mixture.model_copy(update={"seed": None})], root)


def test_speech_at_another_rate_and_silence(corpus: Speech, mixtures: list[Mixture], tmp_path: Path) -> None:
    root = corpus[0]
    slow = [mixtures[0].model_copy(update={"sample_rate": RATE // 2})]
    for whole, half in zip(speech_mixtures(mixtures[:1], root), speech_mixtures(slow, root), strict=True):
        assert half.n_samples == pytest.approx(whole.n_samples / 2, abs=1)
        assert len(render(half, root).mixture) == half.n_samples
    source = mixtures[0].sources[0].model_copy(update={"path": "silent.wav"})
    audio.write(tmp_path / "silent.wav", np.zeros(4000, np.float32), sample_rate=RATE)
    with pytest.raises(InputError, match=r"silent.wav: the stretch to be mixed is silent"):
        speech_mixtures([mixtures[0].model_copy(update={"sources": (source,)})], tmp_path)

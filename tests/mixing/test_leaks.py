"""A test that is known from training is seen: by recording, sentence, speaker, or a stretch of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.leaks import find_leaks, refuse_leaks
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.protocol import make_mixtures

RATE = 8000
Corpus = tuple[Path, list[Utterance]]


def mix(corpus: Corpus, **settings: object) -> list[Mixture]:
    small = {"sample_rate": RATE, "n_train": 8, "n_valid": 2, "n_test": 4, "duration_s": [1, 2]}
    config = parse_config(MixingConfig, {**small, **settings}, where="test")
    return list(make_mixtures(corpus[1], config, root=corpus[0], seed=1).mixtures)


def planted(
    mixtures: list[Mixture], change: Callable[[Any, Any], dict[str, Any]], split: str = "train"
) -> list[Mixture]:
    """Return the mixtures with a source of the first test mixture changed by one of those that train or validate."""
    taught = next(mixture for mixture in mixtures if mixture.split == split)
    number, test = next((n, mixture) for n, mixture in enumerate(mixtures) if mixture.split == "test")
    first = test.sources[0].model_copy(update=change(test.sources[0], taught.sources[0]))
    mixtures[number] = test.model_copy(update={"sources": (first, *test.sources[1:])})
    return mixtures


@pytest.mark.parametrize(
    ("settings", "speakers"),
    [
        ({}, False),
        ({"split": "speaker_open"}, True),
        ({"folds": [["s0", "s1", "s2"], ["s3", "s4", "s5"]], "split": "speaker_open"}, True),
        ({"pairs": 2, "length": "max"}, False),
        ({"sources": ["speech", "background"]}, False),
        ({"sources": ["speech", "background"], "background": {"together": True}}, False),
    ],
)
def test_what_is_mixed_leaks_nothing(corpus: Corpus, settings: dict[str, Any], speakers: bool) -> None:
    mixtures = mix(corpus, **settings)
    assert find_leaks(mixtures, speakers=speakers) == []
    refuse_leaks(mixtures, speakers=speakers)


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own, other: {"utterance": other.utterance}, "test-00000 shares the utterance s"),
        (lambda own, other: {"sha256": other.sha256}, "shares a file"),
        (lambda own, other: {"text": f"  {other.text.upper()}"}, "shares the sentence"),
    ],
)
def test_a_leak_that_is_planted_is_refused(
    corpus: Corpus, change: Callable[[Any, Any], dict[str, Any]], message: str, split: str
) -> None:
    mixtures = planted(mix(corpus), change, split)
    assert len(find_leaks(mixtures, speakers=False)) == 1
    with pytest.raises(InputError, match=f"known from training: .*{message}.* with {split}-.*: mix anew"):
        refuse_leaks(mixtures, speakers=False)


def test_a_speaker_is_a_leak_where_the_test_is_open(corpus: Corpus) -> None:
    mixtures = planted(mix(corpus, split="speaker_open"), lambda own, other: {"speaker": other.speaker})
    assert find_leaks(mixtures, speakers=False) == []
    assert len(find_leaks(mixtures, speakers=True)) == 1
    assert find_leaks(mix(corpus), speakers=True)


def test_a_stretch_of_noise_is_a_leak_and_another_one_of_the_same_recording_is_none(corpus: Corpus) -> None:
    mixtures = mix(corpus, sources=["background", "speech"])
    whole = {"loop": None, "start": 0, "n_samples": 400, "synthetic": False}

    def same(own: Any, other: Any) -> dict[str, Any]:
        return {**whole, "path": other.path, "start": (other.loop or (other.start, 0))[0]}

    assert "shares the recording" in find_leaks(planted(mixtures, same), speakers=False)[0]
    assert find_leaks(planted(mixtures, lambda own, other: {**same(own, other), "start": 10**9}), speakers=False) == []


def test_a_recording_of_noise_is_known_by_its_bytes_under_another_name(corpus: Corpus) -> None:
    mixtures = mix(corpus, sources=["background", "speech"])
    noise = {"loop": (0, 400), "start": 0, "n_samples": 400, "synthetic": False, "sha256": "a" * 64}
    mixtures = [
        one.model_copy(update={"sources": (one.sources[0].model_copy(update=noise | change), *one.sources[1:])})
        for one in mixtures
        for change in [{"path": f"{one.split}.wav"} | ({} if one.split == "test" else {"loop": (400, 800)})]
    ]
    assert find_leaks(mixtures, speakers=False) == []
    found = find_leaks(planted(mixtures, lambda own, other: {"loop": other.loop}), speakers=False)
    assert len(found) == 1 and "shares a file (of SHA-256 aaaaaaaaaaaa…)" in found[0]


def test_folds_know_nothing_of_each_other(corpus: Corpus) -> None:
    mixtures = mix(corpus, folds=[["s0", "s1", "s2"], ["s3", "s4", "s5"]], split="speaker_open")
    assert find_leaks([mixture.model_copy(update={"group": None}) for mixture in mixtures], speakers=True)

"""The classifier of voices."""

from __future__ import annotations

import pytest
import torch

from sepvae.errors import InputError
from sepvae.recognition.voices import VoiceClassifier


def features(speaker: int, seed: int, level: float = 0.0) -> torch.Tensor:
    """Return frames of a speaker, who has two loud bands."""
    stream = torch.Generator().manual_seed(seed)
    frames = torch.randn((30, 12), generator=stream)
    frames[:, [speaker, 11 - speaker]] += 2
    return frames + level


def test_it_tells_voices_apart_at_any_level() -> None:
    names = ["FABC0", "MDEF0", "MGHI0"]
    learnt = [(name, features(number, seed)) for number, name in enumerate(names) for seed in range(4)]
    voices = VoiceClassifier.train([one for _, one in learnt], [name for name, _ in learnt])
    assert voices.speakers == tuple(names)
    for number, name in enumerate(names):
        for level in (-20.0, 0.0, 5.0):
            assert voices.who(features(number, 99, level)) == name


def test_the_order_of_the_utterances_does_not_matter() -> None:
    learnt = [(f"S{number}", features(number, seed)) for number in range(3) for seed in range(3)]
    one = VoiceClassifier.train([x for _, x in learnt], [name for name, _ in learnt])
    two = VoiceClassifier.train([x for _, x in reversed(learnt)], [name for name, _ in reversed(learnt)])
    assert torch.allclose(one.weights, two.weights, atol=1e-3)


def test_one_speaker_is_none_to_tell_from_others() -> None:
    with pytest.raises(InputError, match="1 speakers: a classifier of voices needs two or more"):
        VoiceClassifier.train([features(0, 0)], ["FABC0"])

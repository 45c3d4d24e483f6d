"""What the recogniser sees: features that ignore levels, and with normalisation, a fixed filter too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sepvae.corpora.records import Interval
from sepvae.recognition.phones import PHONES
from sepvae.recognition.speech import SpeechConfig, SpeechFrontend

RATE = 16000


def noise(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def test_features_do_not_depend_on_the_level() -> None:
    frontend, wave = SpeechFrontend(SpeechConfig()), noise()
    assert torch.allclose(frontend.features(wave), frontend.features(0.01 * wave), atol=1e-3)


@pytest.mark.parametrize(("kind", "mean", "std"), [("mean", 0.0, None), ("mean_and_variance", 0.0, 1.0)])
def test_normalisation_takes_away_what_an_utterance_has_in_common(kind: str, mean: float, std: float | None) -> None:
    frontend = SpeechFrontend(SpeechConfig(normalisation=kind))  # type: ignore[arg-type]
    features = frontend.speech(noise(), []).features
    assert torch.allclose(features.mean(0), torch.full((80,), mean), atol=1e-4)
    if std is not None:
        assert torch.allclose(features.std(0), torch.full((80,), std), atol=1e-4)


def test_without_the_mean_an_equaliser_changes_nothing() -> None:
    features = SpeechFrontend(SpeechConfig()).features(noise())
    tilt = torch.linspace(-3, 3, 80)
    for kind, same in (("mean", True), ("none", False)):
        frontend = SpeechFrontend(SpeechConfig(normalisation=kind))  # type: ignore[arg-type]
        assert torch.allclose(frontend.normalised(features + tilt), frontend.normalised(features), atol=1e-4) is same


def test_labels_lie_where_the_sound_is() -> None:
    wave = np.zeros(RATE, np.float32)
    wave[4000:8000] = noise(0.25)
    phones = [Interval(0, 4000, "h#"), Interval(4000, 8000, "s"), Interval(8000, RATE, "h#")]
    frontend = SpeechFrontend(SpeechConfig(normalisation="none"))
    speech = frontend.speech(wave, phones)
    assert len(speech.labels) == len(speech.features)
    loud = speech.features.mean(1) > speech.features.mean(1).max() - 3
    assert ((speech.labels == PHONES.index("s")) != loud).sum() <= 2
    assert [PHONES[one.phone] for one in speech.phones] == ["sil", "s", "sil"]

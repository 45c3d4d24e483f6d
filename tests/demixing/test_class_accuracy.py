"""How often a model names the right speaker: counted by hand, and of a model that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae import audio
from sepvae.demixing.class_accuracy import ClassAccuracy, class_accuracy, name_speaker
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.estimator.speech_models import ConditionalEstimator
from sepvae.models.contract import Inference, Posterior
from sepvae.training.loop import TrainingData

RATE = 8000


@pytest.fixture
def model(voice_model: Path) -> ConditionalEstimator:
    """A model that knows hiss and hum, in this order."""
    estimator = load_checkpoint(voice_model).estimator
    assert isinstance(estimator, ConditionalEstimator)
    assert estimator.speakers == ("hiss", "hum")
    return estimator


def noise(level: float = 0.1) -> NDArray[Any]:
    return level * np.random.default_rng(0).standard_normal(RATE)


def says(
    monkeypatch: pytest.MonkeyPatch, model: ConditionalEstimator, *posteriors: tuple[float, float]
) -> list[Tensor]:
    """Let the network infer these probabilities one after the other; return the list of powers that it is shown."""
    shown: list[Tensor] = []

    def infer(power: Tensor) -> Inference:
        shown.append(power)
        latent = torch.zeros(1, power.shape[1], 2)
        return Inference(Posterior(latent, None), torch.tensor([posteriors[len(shown) - 1]]).log())

    monkeypatch.setattr(model.network, "infer", infer)
    return shown


def test_the_likelier_speaker_is_named_and_counted(
    model: ConditionalEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, model, (0.9, 0.1), (0.4, 0.6), (0.51, 0.49), (0.2, 0.8))
    recordings = [(speaker, noise()) for speaker in ("hiss", "hiss", "hum", "hum")]
    found = class_accuracy(model, recordings, RATE)
    assert found == ClassAccuracy(right=2, of=4)
    assert found.share == 0.5
    assert np.isnan(class_accuracy(model, [], RATE).share)


def test_what_the_network_is_shown_is_at_its_level(
    model: ConditionalEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = says(monkeypatch, model, (0.25, 0.75), (0.25, 0.75))
    assert name_speaker(model, noise(1e-4), RATE) == ("hum", pytest.approx(0.75))
    name_speaker(model, torch.as_tensor(noise(10.0)), RATE)
    assert shown[0].mean() == pytest.approx(1)
    torch.testing.assert_close(*shown)
    # Frames and bins as at training.
    assert shown[0].shape == (1, shown[0].shape[1], model.frontend.stft.n_bins)


def test_a_trained_model_names_voices_that_it_has_not_heard(model: ConditionalEstimator, humming: TrainingData) -> None:
    sources = [source for mixture in humming.valid for source in mixture.sources]
    waves = [(source.speaker, audio.read_mono(humming.root / source.path, RATE)) for source in sources]
    assert class_accuracy(model, waves, RATE) == ClassAccuracy(4, 4)
    # As many are wrong when all are told to be the other one.
    other = {"hum": "hiss", "hiss": "hum"}
    assert class_accuracy(model, [(other[name], wave) for name, wave in waves], RATE) == ClassAccuracy(0, 4)


def test_what_cannot_be_named_is_refused(model: ConditionalEstimator) -> None:
    with pytest.raises(ConfigError, match="speaker eve: the model knows hiss, hum: leave others out"):
        class_accuracy(model, [("eve", noise())], RATE)
    with pytest.raises(InputError, match="sampled at 16000 Hz, the model at 8000 Hz"):
        name_speaker(model, noise(), 16000)
    with pytest.raises(InputError, match=r"shape \(2, 4000\): give one channel"):
        name_speaker(model, noise().reshape(2, -1), RATE)
    for nothing in (np.zeros(RATE), np.full(RATE, np.nan)):
        with pytest.raises(InputError, match="nobody is heard in the recording"):
            name_speaker(model, nothing, RATE)

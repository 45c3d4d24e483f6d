"""A tiny corpus of voices that differ in their colour, and models of its segments, trained in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from sepvae.augmentation.augmenter import Augmenter
    from sepvae.corpora.records import Utterance

RATE = 8000
SPEAKERS = {"ann": "female", "bea": "female", "carl": "male", "dan": "male"}
_MEL = {"kind": "log_mel", "n_mels": 12, "floor": 1e-6}
_POWER = {"kind": "log_power", "floor": 1e-6}
_SMALL: dict[str, dict[str, Any]] = {
    "segment_conv": {"channels": 8, "hidden": 32, "latent": 8},
    "segment_lstm": {"hidden": 16, "latent": 6},
    "fhvae": {"hidden": 16, "latent": 4, "sequence_latent": 4},
}


class Speech(NamedTuple):
    """A corpus and the utterances in it."""

    root: Path
    utterances: list[Utterance]

    def wave(self, number: int) -> np.ndarray[Any, Any]:
        """Return an utterance (channels, time)."""
        from sepvae import audio

        return audio.read(self.root / self.utterances[number].path).wave


def speak(speaker: str, number: int, *, seconds: float = 1.2) -> np.ndarray[Any, Any]:
    """Return noise in syllables, coloured by the speaker: each has a low-pass of their own."""
    rng = np.random.default_rng([number, *speaker.encode()])
    time = np.arange(round(seconds * RATE)) / RATE
    syllables = 0.15 + np.abs(np.sin(2 * np.pi * rng.uniform(2, 4) * time + rng.uniform(0, 6)))
    hiss = rng.standard_normal(len(time))
    taps = {"ann": [1, -0.9], "bea": [1, -0.4], "carl": [1, 0.4], "dan": [1, 0.9]}[speaker]
    return (0.03 * syllables * np.convolve(hiss, taps)[: len(time)]).astype(np.float32)


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """Four speakers of six utterances each."""
    from sepvae import audio
    from sepvae.corpora.records import Utterance

    root, utterances = tmp_path_factory.mktemp("voices"), []
    for speaker, sex in SPEAKERS.items():
        for number in range(6):
            path, wave = f"{speaker}/{number}.wav", speak(speaker, number)
            audio.write(root / path, wave, sample_rate=RATE)
            utterances.append(Utterance(f"{speaker}-{number}", path, speaker, sex, None, RATE, len(wave)))  # type: ignore[arg-type]
    return Speech(root, utterances)


def train_small(speech: Speech, out: Path, kind: str, features: dict[str, Any], *, epochs: int) -> Path:
    """Train a model of a kind and fit its basis; return its folder."""
    from sepvae.augmented.fit import fit_and_save
    from sepvae.mixing.single_source import corpus_mixtures
    from sepvae.training.config import TrainingConfig
    from sepvae.training.loop import TrainingData, train

    config = TrainingConfig.model_validate(
        {
            "frontend": {
                "sample_rate": RATE,
                "stft": {"window_ms": 32, "hop_ms": 16},
                "input": features,
                "target": features,
            },
            "model": {"kind": kind, "settings": {"segment_frames": 8, **_SMALL[kind]}},
            "objective": {
                "kind": "hierarchical_elbo" if kind == "fhvae" else "elbo",
                "settings": {"likelihood": "gaussian_learned"} | ({} if kind == "fhvae" else {"beta": 0.1}),
            },
            "optimiser": {
                "epochs": epochs,
                "batch_size": 64,
                "segment_frames": 8,
                "segment_hop_frames": 2,
                "learning_rate": 0.005,
            },
        }
    )
    mixtures = corpus_mixtures(speech.utterances, root=speech.root, sample_rate=RATE, seed=0)
    train(config, TrainingData(*mixtures, speech.root), out, seed=1, device="cpu")
    fit_and_save(out, [(speech.root, speech.utterances)])
    return out


CASES = {
    "segment_conv": ("segment_conv", _MEL),
    "segment_conv-log_power": ("segment_conv", _POWER),
    "segment_lstm": ("segment_lstm", _MEL),
    "fhvae": ("fhvae", _MEL),
}


@pytest.fixture(scope="session", params=CASES)
def any_segment_model(request: pytest.FixtureRequest, speech: Speech, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind of model, hardly trained."""
    kind, features = CASES[request.param]
    return train_small(speech, tmp_path_factory.mktemp(kind), kind, features, epochs=4)


@pytest.fixture(scope="session")
def segment_model(speech: Speech, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolutional model that has learnt the voices."""
    return train_small(speech, tmp_path_factory.mktemp("model"), "segment_conv", _MEL, epochs=25)


@pytest.fixture(scope="session")
def augmenter(segment_model: Path) -> Augmenter:
    """The model with its nuisance basis."""
    from sepvae.augmentation.augmenter import Augmenter

    return Augmenter.load(segment_model)

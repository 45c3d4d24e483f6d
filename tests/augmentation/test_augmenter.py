"""Speech through every kind of model: identities to 1e-6, laws of channels and levels, and the effect of a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sepvae.augmentation import SYNTHESES
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmentation.latents import PERTURBATIONS
from sepvae.errors import CheckpointError, InputError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint
from sepvae.frontend.frontend import FrontendConfig
from sepvae.seeds import generator
from sepvae.training.config import TrainingConfig, fresh_checkpoint

from ..speech_models import RATE, Speech, speak


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_no_strength_gives_the_input_back(any_segment_model: Path, speech: Speech, kind: str) -> None:
    wave = speech.wave(0)
    made = Augmenter.load(any_segment_model).perturb(wave, RATE, kind=kind, gamma=0.0)
    assert made.dtype == np.float32
    assert np.abs(made - wave).max() < 1e-6


def test_its_own_vector_gives_the_input_back(any_segment_model: Path, speech: Speech) -> None:
    augmenter, wave = Augmenter.load(any_segment_model), speech.wave(3)
    own = speech.utterances[3].id
    assert np.array_equal(augmenter.vector(wave, RATE), augmenter.basis.vector_of(own))
    assert np.abs(augmenter.replace(wave, RATE, own) - wave).max() < 1e-6
    assert np.abs(augmenter.replace(wave, RATE, "dan-1", share=0.0) - wave).max() < 1e-6


def test_a_target_is_not_the_identity(any_segment_model: Path, speech: Speech) -> None:
    augmenter, wave = Augmenter.load(any_segment_model), speech.wave(0)
    assert np.abs(augmenter.replace(wave, RATE, "dan-1") - wave).max() > 1e-3


@given(more=st.integers(0, 700), seed=st.integers(0, 20), gamma=st.floats(0, 3))
def test_any_length_keeps_its_length_and_level(augmenter: Augmenter, more: int, seed: int, gamma: float) -> None:
    wave = speak("ann", seed, seconds=0.3)[: 1100 + more]
    made = augmenter.perturb(wave, RATE, gamma=gamma, seed=seed)
    assert made.shape == wave.shape
    assert np.isfinite(made).all()
    # The level of the spectrum is kept exactly, that of the wave as far as windows at its ends agree.
    assert np.square(made).mean() == pytest.approx(np.square(wave).mean(), rel=0.1)


def test_levels_pass_through(augmenter: Augmenter, speech: Speech) -> None:
    wave = speech.wave(1)
    loud, quiet = (augmenter.perturb(gain * wave, RATE, seed=4) / gain for gain in (2.0, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-4 * np.abs(loud).max())


def test_what_would_clip_is_lowered(augmenter: Augmenter) -> None:
    wave = speak("ann", 1)
    wave /= np.abs(wave).max()
    made = augmenter.replace(wave, RATE, "dan-1")
    assert np.abs(made).max() <= 1 + 1e-6
    over = 1.5 * wave
    assert np.abs(augmenter.perturb(over, RATE, gamma=0.0) - over).max() < 2e-6


def test_channels_are_moved_alike(augmenter: Augmenter, speech: Speech) -> None:
    left, right = speech.wave(0)[0], speech.wave(7)[0]
    both = augmenter.perturb(np.stack([left, right]), RATE, seed=2)
    for channel, wave in zip(both, (left, right), strict=True):
        assert np.array_equal(channel, augmenter.perturb(wave, RATE, seed=2))


def test_the_same_arguments_give_the_same_bytes(augmenter: Augmenter, speech: Speech) -> None:
    wave = speech.wave(2)
    first = augmenter.perturb(wave, RATE, seed=9)
    augmenter.perturb(speech.wave(5), RATE, seed=1)
    assert np.array_equal(first, augmenter.perturb(wave, RATE, seed=9))
    assert not np.array_equal(first, augmenter.perturb(wave, RATE, seed=10))


@pytest.mark.parametrize("synthesis", SYNTHESES)
def test_threads_do_not_change_a_bit(augmenter: Augmenter, synthesis: str) -> None:
    wave, made = speak("bea", 3, seconds=20.0), []
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            made.append(augmenter.perturb(wave, RATE, seed=1, synthesis=synthesis))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def tilt(wave: np.ndarray) -> float:
    """Return how much more power there is above than below a quarter of the rate, in dB."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    half = len(power) // 2
    return float(10 * np.log10(power[half:].sum() / power[:half].sum()))


@pytest.mark.parametrize("synthesis", SYNTHESES)
def test_replacement_brings_the_voice_of_the_target(augmenter: Augmenter, synthesis: str) -> None:
    """Speakers differ in spectral tilt alone: ann is 20 dB brighter than dan."""
    source, target = speak("ann", 0), speak("dan", 1)
    made = augmenter.replace(source, RATE, augmenter.vector(target, RATE), synthesis=synthesis)
    gone = (tilt(made) - tilt(source)) / (tilt(target) - tilt(source))
    assert 0.6 < gone < 1.4
    half = augmenter.replace(source, RATE, "dan-1", share=0.5, synthesis=synthesis)
    assert tilt(made) < tilt(half) < tilt(source)
    # The syllables stay where they were.
    frames = [np.square(wave[: 240 * 40].reshape(-1, 240)).mean(1) for wave in (source, made)]
    assert np.corrcoef(*frames)[0, 1] > 0.8


def test_features_are_those_that_are_heard(augmenter: Augmenter, speech: Speech) -> None:
    """Decoded features differ from the unmoved ones by the gain of the filter."""
    wave = speech.wave(0)[0]
    shift = augmenter.basis.perturbation("soft", generator(3, "p"), gamma=1.0, n_directions=0)
    plain = augmenter.features(wave, RATE, lambda _: 0 * shift)
    moved = augmenter.features(wave, RATE, lambda _: shift)
    assert plain.shape == moved.shape == (augmenter.coder.frontend.stft.n_frames(len(wave)), 12)
    code = augmenter.coder.encode(wave, RATE)
    own = augmenter.coder.frontend.input(code.spectrum / code.level).numpy()[2:-2]
    assert np.square(plain[2:-2] - own).mean() < 0.6 * own.var()
    assert np.abs(moved - plain).mean() > 0.01


def test_what_cannot_be_augmented_is_named(augmenter: Augmenter) -> None:
    wave = speak("ann", 0)
    for bad, rate, message in (
        (wave, 16000, "is sampled at 16000 Hz, the model works at 8000 Hz: resample it first"),
        (wave[:500], RATE, r"is too short: 0\.06 s are 5 frames, the model needs 8"),
        (wave[:0], RATE, "is too short: 0.00 s are 0 frames"),
        (np.zeros(9000, np.float32), RATE, "is silent: there is nothing to augment"),
        (wave[None, None], RATE, r"expected \(time,\) or \(channels, time\)"),
    ):
        with pytest.raises(InputError, match=message):
            augmenter.perturb(bad, rate)
    with pytest.raises(InputError, match="features are of one channel, received 2"):
        augmenter.features(np.stack([wave, wave]), RATE, lambda own: own)
    with pytest.raises(InputError, match="has no utterance 'nobody'"):
        augmenter.replace(wave, RATE, "nobody")


def changed(checkpoint: Checkpoint, **config: Any) -> Checkpoint:
    """Return fresh weights for a config that differs in some of its parts."""
    stored = checkpoint.config.model_copy(update=config)
    return Checkpoint(stored, stored.build())


def test_models_that_cannot_augment_are_refused(augmenter: Augmenter, model: Path) -> None:
    frame_model = fresh_checkpoint(TrainingConfig(), ("speech",))
    with pytest.raises(CheckpointError, match="dense_vae is no network of segments: train one with 'sepvae train --s"):
        Augmenter(frame_model)
    checkpoint = load_checkpoint(model)
    two = changed(checkpoint, sources=("a", "b"))
    with pytest.raises(CheckpointError, match="it is of the sources a, b"):
        Augmenter(two)
    frontend = FrontendConfig.model_validate({"sample_rate": RATE, "target": {"kind": "power"}})
    estimator = checkpoint.config.estimator.model_copy(update={"frontend": frontend})
    with pytest.raises(CheckpointError, match="its target is power, neither log_mel nor log_power"):
        Augmenter(changed(checkpoint, estimator=estimator))
    narrow = NuisanceBasis.fit(np.eye(3, dtype=np.float32), augmenter.basis.utterances[:3])
    with pytest.raises(CheckpointError, match="the nuisance basis has 3 latents, the model 8: fit it to this model"):
        Augmenter(checkpoint, narrow)
    with pytest.raises(CheckpointError, match="made without a nuisance basis"):
        Augmenter(checkpoint).perturb(speak("ann", 0), RATE)

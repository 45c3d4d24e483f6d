"""From moved latents back to sound: the utterance itself through a filter, or a wave for the decoded spectrogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae.audio import Wave
from sepvae.augmentation.coder import Code, SegmentCoder, energy
from sepvae.frontend.features import mel_filterbank
from sepvae.frontend.stft import Stft

# No bin is raised or lowered by more: what the network has never seen must not become a whistle.
_MAX_GAIN_DB = 30.0
_GRIFFIN_LIM_ITERATIONS = 32
_MOMENTUM = 0.99
_TINY = 1e-12


def filter_code(coder: SegmentCoder, code: Code, shift: NDArray[Any]) -> Wave:
    """Return the utterance (time,) with each bin of its spectrum multiplied by decoder(z + shift) / decoder(z).

    Phase and fine structure stay those of the utterance, and no shift gives it back.
    """
    difference = coder.change(code, coder.shifted(code, shift))
    limit = _MAX_GAIN_DB / 20 * math.log(10)
    # Features are logarithms of powers.
    gain = coder.to_bins(0.5 * difference).clamp_(-limit, limit).exp_()
    return _wave(coder, code, code.spectrum * gain)


def griffin_lim_code(coder: SegmentCoder, code: Code, shift: NDArray[Any]) -> Wave:
    """Return a wave (time,) that has the spectrogram decoder(z + shift), by Griffin & Lim from the utterance's phases.

    Mel bands give a smooth spectrum without the harmonics of the voice: it sounds whispered.
    """
    features = coder.decode(code, coder.shifted(code, shift))
    target = coder.frontend.target
    if target.config.kind == "log_mel":
        filters = mel_filterbank(
            sample_rate=coder.sample_rate, n_bins=coder.frontend.stft.n_bins, n_mels=target.config.n_mels
        )
        features = coder.to_bins(features - filters.sum(0).log().to(features))
    power = (features.exp() - target.config.floor).clamp_min(0)
    spectrum = griffin_lim(coder.frontend.stft, code.level * power.sqrt(), code.spectrum.angle(), code.n_samples)
    return _wave(coder, code, spectrum)


def griffin_lim(stft: Stft, magnitude: Tensor, phase: Tensor, n_samples: int) -> Tensor:
    """Return a complex spectrum (frames, bins) close to that of a wave, and of a given magnitude.

    Source: Griffin & Lim 1984, made faster by Perraudin et al. 2013, Algorithm 2.
    """
    current = before = torch.polar(magnitude, phase)
    for _ in range(_GRIFFIN_LIM_ITERATIONS):
        consistent = stft.analyse(stft.synthesise(current, n_samples=n_samples))
        ahead = consistent + _MOMENTUM * (consistent - before)
        before = consistent
        current = torch.polar(magnitude, ahead.angle())
    return current


def decoded_features(coder: SegmentCoder, code: Code, shift: NDArray[Any]) -> NDArray[np.float32]:
    """Return the features decoder(z + shift), (frames, features), of an utterance at the level of 1 they are of."""
    features: NDArray[np.float32] = coder.decode(code, coder.shifted(code, shift)).cpu().numpy()
    return features


def _wave(coder: SegmentCoder, code: Code, spectrum: Tensor) -> Wave:
    """Return the wave of a spectrum at the level of the utterance: the model knows of no levels.

    It is quieter than that where it would leave [-1, 1] and the utterance did not.
    """
    stft = coder.frontend.stft
    level = (code.energy / max(energy(spectrum), _TINY)) ** 0.5
    wave = stft.synthesise(spectrum, n_samples=code.n_samples) * level
    peak = float(wave.abs().max())
    if peak > 1:
        before = float(stft.synthesise(code.spectrum, n_samples=code.n_samples).abs().max())
        wave = wave * (max(1.0, before) / peak if peak > before else 1.0)
    made: Wave = wave.cpu().numpy()
    return made

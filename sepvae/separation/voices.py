"""What a voice sounds like, by short stretches of time: its long-term spectrum, how that moves, and its pitch.

Nothing of it is learnt. Of clean speech, one second tells any two of LibriSpeech's six test-other speakers apart where
the two are known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Frames of the analysis, bands of the mel scale, and cepstral coefficients that are taken: the first is the level.
_WINDOW_S, _HOP_S = 0.032, 0.016
_LOWEST_HZ, _HIGHEST_HZ, _BANDS, _COEFFICIENTS = 100.0, 7600.0, 24, 19
_PITCH_HZ = (70.0, 400.0)
# Mean and spread of the coefficients, and the pitch.
DIMENSIONS = 2 * _COEFFICIENTS + 1
# How much each differs from one stretch of half a second to the next in a voice: the median step over 0.954, of normal
# values their standard deviation, of 80 speakers of LibriSpeech's train-clean-100 (1555 steps).
_SPREAD = (
    *(3.55, 1.58, 1.77, 1.21, 0.87, 0.82, 0.69, 0.63, 0.59, 0.49, 0.45, 0.43, 0.37, 0.36, 0.33, 0.29, 0.29, 0.26, 0.24),
    *(1.3, 0.38, 0.39, 0.28, 0.21, 0.19, 0.16, 0.14, 0.14, 0.12, 0.1, 0.1, 0.09, 0.08, 0.08, 0.07, 0.06, 0.06, 0.06),
    0.14,
)
# Frames this far below the loudest say nothing of a voice.
_QUIET_DB = -30.0
# One who is this far above all others is heard clearly.
_CLEAR_DB = 3.0
# Of the frames that are heard, the share in which a pitch is most clearly there.
_VOICED = 0.4


class Stretches(NamedTuple):
    """Features (talkers, stretches, dimensions) of spread 1 in a voice, and frames that count (talkers, stretches)."""

    features: Floats
    weights: Floats


def _mel_bands(sample_rate: int, n_fft: int) -> Floats:
    """Return triangular bands (bands, bins), evenly on the mel scale."""
    highest = min(_HIGHEST_HZ, 0.475 * sample_rate)
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (_LOWEST_HZ, highest))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rise, fall), 0).astype(np.float32)


def _frames(wave: Floats, window: int, hop: int) -> Floats:
    """Return the powers (…, frames, bins) of a wave (…, time) in Hann windows, of twice as many points."""
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    cut = sliding_window_view(wave, window, axis=-1)[..., ::hop, :] * shape.astype(np.float32)
    spectrum = np.fft.rfft(cut, 2 * window)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


class VoiceFeatures:
    """Computes the features of stretches.

    Args:
        sample_rate: Hz.
        stretch_s: length of a stretch in seconds.
    """

    def __init__(self, sample_rate: int, *, stretch_s: float) -> None:
        self._window, self._hop = round(_WINDOW_S * sample_rate), round(_HOP_S * sample_rate)
        n_fft = 2 * self._window
        self._bands = _mel_bands(sample_rate, n_fft)
        angles = (np.arange(_BANDS)[:, None] + 0.5) * np.arange(1, _COEFFICIENTS + 1) * (math.pi / _BANDS)
        self._cosines = (np.cos(angles) * math.sqrt(2 / _BANDS)).astype(np.float32)
        shortest, longest = (round(sample_rate / hz) for hz in reversed(_PITCH_HZ))
        self._periods = slice(shortest, min(longest, n_fft // 2 - 1))
        self._frames = max(1, round(stretch_s / _HOP_S))
        self.stretch_samples, self.frame_s = self._frames * self._hop, self._hop / sample_rate

    def __call__(self, waves: Floats, *, loudest: float) -> Stretches:
        """Return the features of the whole stretches of talkers who are heard at the same time.

        Of each talker the frames count in which nobody else is nearly as loud: what separation leaves of the others in
        them is then far below.

        Args:
            waves: (talkers, time); what is left behind the last whole stretch is not looked at.
            loudest: the energy of a frame that counts as loud, such as `frame_energy` of all that is there.
        """
        n_stretches = waves.shape[1] // self.stretch_samples
        padded = np.pad(waves[:, : n_stretches * self.stretch_samples], ((0, 0), (0, self._window - self._hop)))
        power = _frames(padded, self._window, self._hop)
        energy = power.sum(-1)
        heard = (energy > loudest * 10 ** (_QUIET_DB / 10)) & (
            energy > 10 ** (_CLEAR_DB / 10) * (energy.sum(0) - energy)
        )
        floor = np.float32(1e-9 * loudest + np.finfo(np.float32).tiny)
        cepstrum = np.log(power @ self._bands.T + floor) @ self._cosines
        periods = np.fft.irfft(np.log(power + floor))[..., self._periods].astype(np.float32)
        place = periods.argmax(-1)
        clearness = np.take_along_axis(periods, place[..., None], -1)[..., 0]
        pitch = -np.log((place + self._periods.start).astype(np.float32))
        shape = (len(waves), n_stretches, self._frames)
        return _of_stretches(
            cepstrum.reshape(*shape, -1), heard.reshape(shape), clearness.reshape(shape), pitch.reshape(shape)
        )


def frame_energy(wave: Floats, sample_rate: int) -> float:
    """Return the energy of the loudest frame of a signal (time,), as the features count it."""
    window, hop = round(_WINDOW_S * sample_rate), round(_HOP_S * sample_rate)
    if len(wave) < window:
        return 0.0
    return float(_frames(wave, window, hop).sum(-1).max())


def _of_stretches(cepstrum: Floats, heard: NDArray[np.bool_], clearness: Floats, pitch: Floats) -> Stretches:
    """Return the mean and half the spread of the cepstrum, and the median pitch, over the frames that are heard."""
    count = heard.sum(-1)
    share = (heard / np.maximum(count, 1)[..., None]).astype(np.float32)
    mean = (share[..., None] * cepstrum).sum(-2)
    spread = np.sqrt((share[..., None] * np.square(cepstrum - mean[..., None, :])).sum(-2))
    n_voiced = np.maximum(np.ceil(_VOICED * count).astype(int), 1)
    rank = np.where(heard, -clearness, 1.0).argsort(-1, kind="stable").argsort(-1)
    # The lower of two in the middle: a pitch that was heard.
    sorted_pitch = np.sort(np.where(rank < n_voiced[..., None], pitch, np.inf), axis=-1)
    medians = np.take_along_axis(sorted_pitch, (n_voiced[..., None] - 1) // 2, -1)
    features = np.concatenate([mean, 0.5 * spread, medians], axis=-1) / np.array(_SPREAD, np.float32)
    weighed = np.where((count > 0)[..., None], features, 0.0).astype(np.float32)
    return Stretches(weighed, count.astype(np.float32))

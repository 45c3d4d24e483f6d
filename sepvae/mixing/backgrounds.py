"""Synthetic backgrounds, for users without recordings: a trumpet, traffic, water, and Gaussian noise.

They are caricatures with the traits that matter to a separator: harmonics that follow a melody, low rumble with slow
swells, a dense rain of short chirps, and a flat spectrum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sepvae.mixing import BACKGROUNDS
from sepvae.seeds import generator

Wave64 = NDArray[np.float64]

DURATION_S = 20.0
# How many different recordings of a kind there are.
N_RECORDINGS = 10
_RMS = 0.05


def _shaped_noise(random: np.random.Generator, n_samples: int, gain: Callable[[Wave64], Wave64], rate: int) -> Wave64:
    """Return Gaussian noise (time,) whose spectrum is multiplied by a gain of the frequency in Hz."""
    spectrum = np.fft.rfft(random.standard_normal(n_samples))
    return np.asarray(np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n_samples, 1 / rate).astype(np.float64)), n_samples))


def trumpet(random: np.random.Generator, n_samples: int, rate: int) -> Wave64:
    """Notes of a scale with vibrato; the louder a note, the stronger its upper harmonics, as of brass."""
    wave, start = np.zeros(n_samples), 0
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19])
    step = int(random.integers(len(scale)))
    while start < n_samples:
        length = min(round(random.uniform(0.15, 0.7) * rate), n_samples - start)
        step = int(np.clip(step + random.integers(-3, 4), 0, len(scale) - 1))
        pitch = 233.08 * 2 ** (scale[step] / 12)
        time = np.arange(length) / rate
        vibrato = 0.004 * np.sin(2 * np.pi * random.uniform(4.5, 6.0) * time) * np.minimum(time / 0.2, 1)
        phase = 2 * np.pi * pitch * np.cumsum(1 + vibrato) / rate
        envelope = np.minimum(time / 0.03, 1) * np.minimum((length / rate - time) / 0.05, 1) * random.uniform(0.5, 1)
        note = np.zeros(length)
        for harmonic in range(1, int(min(7000.0, 0.45 * rate) / pitch) + 1):
            # The bell lifts what lies near 1.2 kHz; above it the harmonics fall off.
            body = 1 / (1 + (harmonic * pitch / 1200.0) ** 2)
            note += body * envelope ** (1 + 0.3 * harmonic) * np.sin(harmonic * phase)
        wave[start : start + length] = note
        start += length + (round(random.uniform(0.02, 0.25) * rate) if random.random() < 0.3 else 0)
    return wave


def traffic(random: np.random.Generator, n_samples: int, rate: int) -> Wave64:
    """A far rumble, and vehicles that pass: the hum of an engine that sinks in pitch, and tyres."""

    def rumble(hz: Wave64) -> Wave64:
        return np.asarray(1 / (1 + hz / 60.0) * (hz > 20))

    def tyres(hz: Wave64) -> Wave64:
        return np.asarray(np.exp(-0.5 * (np.log2(np.maximum(hz, 1) / 800.0)) ** 2))

    far = _shaped_noise(random, n_samples, rumble, rate)
    wave = far / np.std(far)
    hiss = _shaped_noise(random, n_samples, tyres, rate)
    hiss /= np.std(hiss)
    time = np.arange(n_samples) / rate
    for _ in range(round(n_samples / rate / 2)):
        moment, width = random.uniform(0, time[-1]), random.uniform(0.5, 1.5)
        swell = np.exp(-0.5 * ((time - moment) / width) ** 2) * random.uniform(0.5, 2)
        doppler = 1 - 0.04 * np.tanh((time - moment) / width)
        phase = 2 * np.pi * random.uniform(30, 90) * np.cumsum(doppler) / rate
        engine = np.sum([np.sin(k * phase + random.uniform(0, 2 * np.pi)) / k for k in range(1, 9)], axis=0)
        wave += swell * (engine + hiss)
    return wave


def water(random: np.random.Generator, n_samples: int, rate: int) -> Wave64:
    """Bubbles, decaying sinusoids whose pitch rises (van den Doel 2005), over a soft rush."""

    def rush(hz: Wave64) -> Wave64:
        return np.asarray(1 / np.sqrt(np.maximum(hz, 100.0)))

    soft = _shaped_noise(random, n_samples, rush, rate)
    wave = 0.15 * soft / np.std(soft)
    for _ in range(round(n_samples / rate * 80)):
        pitch = min(float(np.exp(random.uniform(np.log(350), np.log(4000)))), 0.35 * rate)
        decay = 0.13 * (pitch / 3) + 0.0072 * (pitch / 3) ** 1.5
        length = round(min(6 / decay, 0.25) * rate)
        start = int(random.integers(-length, n_samples))
        time = np.arange(length) / rate
        phase = 2 * np.pi * pitch * time * (1 + 0.05 * decay * time)
        bubble = random.uniform(0.05, 1) * (350 / pitch) ** 0.5 * np.sin(phase) * np.exp(-decay * time)
        first, last = max(start, 0), min(start + length, n_samples)
        wave[first:last] += bubble[first - start : last - start]
    return wave


def gaussian(random: np.random.Generator, n_samples: int, rate: int) -> Wave64:  # noqa: ARG001
    """White noise."""
    return random.standard_normal(n_samples)


@lru_cache(maxsize=48)
def synthesise(kind: str, number: int, *, sample_rate: int) -> NDArray[np.float32]:
    """Return one of the synthetic recordings of a kind.

    Args:
        kind: a name of `BACKGROUNDS`.
        number: which one; the same number always sounds the same.
        sample_rate: in Hz.

    Returns:
        20 seconds, (time,) float32, at -26 dB (full scale, RMS); shared between callers and read-only.

    Raises:
        ConfigError: another kind.

    Example:
        >>> synthesise("water", 0, sample_rate=8000).shape
        (160000,)
    """
    make = BACKGROUNDS.resolve(kind)
    n_samples = round(DURATION_S * sample_rate)
    samples = make(generator(0, "background", kind, number), n_samples, sample_rate)
    wave: NDArray[np.float32] = (samples * (_RMS / np.sqrt(np.mean(samples**2)))).astype(np.float32)
    wave.setflags(write=False)
    return wave

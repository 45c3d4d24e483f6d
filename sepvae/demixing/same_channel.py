"""Whether two channels are one recording twice, whatever its gain, polarity, offset, delay and rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Two channels that differ by less than this share of their power (−50 dB), whatever their gains, are one microphone:
# two preamplifiers add noise of their own.
_SAME = 1e-5
# The longest delay, in samples, at which one recording is looked for in the other, and how many samples of them are
# compared for it.
_LONGEST_DELAY, _COMPARED = 4096, 1 << 19
_VOICE_HZ = 300
# Steps of the samples of files of integers; what they round away does not tell channels apart.
_STEPS = (2.0**-15, 2.0**-23)


def step_of(wave: Tensor) -> float:
    """Return the step between the values that the samples (channels, time) can have; 0 when they are no integers."""
    for step in _STEPS:
        steps = wave.double() / step
        if bool((steps == steps.round()).all()):
            return step
    return 0.0


class Stretches:
    """The loudest stretches of the channels (channels, time) of a recording, and how alike others are there.

    A channel is transformed once for all that have their loudest stretch in the same place, as most have.
    """

    def __init__(self, wave: Tensor) -> None:
        self._wave, self._n_samples = wave, min(wave.shape[1], _COMPARED)
        self._starts = [0] * len(wave)
        if wave.shape[1] > _COMPARED:
            cut = wave.shape[1] // _COMPARED * _COMPARED
            powers = wave[:, :cut].view(len(wave), -1, _COMPARED).square().sum(2)
            self._starts = [_COMPARED * int(place) for place in powers.argmax(1)]
        self._start = 0
        self._spectra: dict[int, Tensor] = {}

    def voice_powers(self, loudest: int, *, sample_rate: int) -> Tensor:
        """Return the power above 300 Hz, where no mains hum is strong, of each channel (channels,) in one stretch."""
        part = self._wave[:, self._starts[loudest] :][:, : self._n_samples]
        window = torch.hann_window(part.shape[1], periodic=False).to(part)
        spectrum = torch.fft.rfft(part * window, max(2, part.shape[1]))
        above = round(_VOICE_HZ * part.shape[1] / sample_rate)
        powers: Tensor = spectrum[:, above:].abs().square().sum(1)
        return powers.clamp_min(1e-300)

    def _cut(self, channel: int) -> Tensor:
        return self._wave[channel, self._start : self._start + self._n_samples]

    def _spectrum(self, channel: int) -> Tensor:
        if channel not in self._spectra:
            self._spectra[channel] = torch.fft.rfft(self._cut(channel), max(2, 2 * self._n_samples))
        return self._spectra[channel]

    def alike(self, one: int, other: int) -> tuple[float, int]:
        """Return how alike two channels are in the loudest stretch of the first, and how much the second lags there.

        Returns:
            The correlation of what overlaps, from 0 to 1, at the short delay at which there is most in common, and the
            delay in samples.
        """
        if self._starts[one] != self._start:
            # Spectra of one place at a time: they are as large as the stretches of all channels.
            self._start, self._spectra = self._starts[one], {}
        reach, size = min(_LONGEST_DELAY, self._n_samples // 4), max(2, 2 * self._n_samples)
        product = torch.fft.irfft(self._spectrum(one).conj() * self._spectrum(other), size)
        near = torch.cat([product[size - reach :], product[: reach + 1]]).abs()
        place = int(near.argmax())
        first, second = _overlapping(self._cut(one), self._cut(other), place - reach)
        scale = (first.square().sum() * second.square().sum()).sqrt().clamp_min(1e-300)
        return float(near[place] / scale), place - reach


def _overlapping(one: Tensor, other: Tensor, delay: int) -> tuple[Tensor, Tensor]:
    """Return what is in both of two channels (time,), the second of which lags behind the first."""
    return (one[: len(one) - delay], other[delay:]) if delay >= 0 else (one[-delay:], other[:delay])


def same_but_for(one: Tensor, other: Tensor, *, delay: int, step: float) -> str | None:
    """Return how a channel (time,) differs from another, which lags behind it, that is the same recording.

    None when it is another one.
    """
    if len(one) < 2:
        return None
    first, second = _overlapping(one, other, delay)
    first, second = first - first.mean(), second - second.mean()
    gain = float(first @ second) / max(float(first @ first), 1e-300)
    power = float(second.square().mean())
    left = float((second - gain * first).square().mean())
    # Rounding leaves a twelfth of a step squared in each of both.
    if left > max(_SAME * power, 2 * step**2 / 12 * (1 + gain**2)) or power <= 4 * step**2:
        return None
    apart = [] if abs(abs(gain) - 1) < 1e-3 else [f"a gain of {20 * math.log10(abs(gain)):+.1f} dB"]
    apart += ["the polarity"] if gain < 0 else []
    apart += [f"a delay of {delay} samples"] if delay else []
    return f"identical but for {' and '.join(apart)}" if apart else "identical"

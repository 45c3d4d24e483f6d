"""Whether two channels are one recording twice, whatever its gain, polarity, offset, delay and rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Two channels that differ by less than this share of their power, whatever their gains, are one recording twice.
_SAME = 1e-7
# The longest delay, in samples, at which one recording is looked for in the other, and how many samples of them are
# compared for it.
_LONGEST_DELAY, _COMPARED = 4096, 1 << 19
# Steps of the samples of files of integers; what they round away does not tell channels apart.
_STEPS = (2.0**-15, 2.0**-23)


def step_of(wave: Tensor) -> float:
    """Return the step between the values that the samples (channels, time) can have; 0 when they are no integers."""
    for step in _STEPS:
        steps = wave.double() / step
        if bool((steps == steps.round()).all()):
            return step
    return 0.0


def same_but_for(one: Tensor, other: Tensor, *, step: float) -> str | None:
    """Return how a channel (time,) differs from another that is the same recording; None when it is another one."""
    if len(one) < 2:
        return None
    delay = _delay(one, other)
    first, second = (one[: len(one) - delay], other[delay:]) if delay >= 0 else (one[-delay:], other[:delay])
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


def largest_correlation(one: Tensor, other: Tensor) -> float:
    """Return the largest correlation, at any short delay, of two channels (time,)."""
    return float(_correlations(one, other).abs().max())


def _delay(one: Tensor, other: Tensor) -> int:
    """Return by how many samples the second channel (time,) lags behind the first."""
    found = int(_correlations(one, other).abs().argmax())
    return found - _reach(min(len(one), _COMPARED))


def _reach(n_samples: int) -> int:
    """Return the longest delay that is looked at in so many samples."""
    return min(_LONGEST_DELAY, n_samples // 4)


def _correlations(one: Tensor, other: Tensor) -> Tensor:
    """Return the correlation of two channels (time,) at delays from −reach to reach, in their loudest stretch."""
    if len(one) > _COMPARED:
        cut = len(one) // _COMPARED * _COMPARED
        start = int(one[:cut].view(-1, _COMPARED).square().sum(1).argmax()) * _COMPARED
        one, other = one[start : start + _COMPARED], other[start : start + _COMPARED]
    reach, size = _reach(len(one)), 2 * len(one)
    product = torch.fft.irfft(torch.fft.rfft(one, size).conj() * torch.fft.rfft(other, size), size)
    scale = (one.square().sum() * other.square().sum()).sqrt().clamp_min(1e-300)
    return torch.cat([product[size - reach :], product[: reach + 1]]) / scale

"""The level of a file: what its spectrum is divided by before a network sees it.

The rule `whole` takes everything in the file. The rule `gated` asks how loud it is where somebody speaks, whatever else
is in the file: a pause of ten minutes, a few clicks, a beep. It gates as ITU-R BS.1770-5 does (blocks of 400 ms every
100 ms, and of them those that are not 10 dB below the rest), with three differences, each for a thing that moves the
mean of BS.1770: a block has the median power of its frames, not their mean (clicks); frames of one or two tones do not
count (a beep, a dialled number); and the rest is held against the power that carries the most energy, the largest
k · p_k of the blocks' powers p_1 ≥ p_2 ≥ … for at least 1.5 s, instead of against a mean above an absolute gate (long
noise, and files of any gain). The level is the median of the blocks that are left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

Normalisation = Literal["none", "rms", "peak"]

# A file whose level lies below this (−240 dB) is silence: it keeps its level instead of being blown up.
_SILENCE = 1e-12
_BLOCK_MS, _STEP_MS = 400.0, 100.0
# The relative gate of BS.1770: a tenth of the power.
_GATE = 0.1
# A level is held for as many blocks, or for a third of a file that is shorter than 4.5 s.
_HELD_BLOCKS, _HELD_SHARE = 15, 1 / 3
# A tone fills five bins of a Hann window to 99.95 %; a voice always has some of its power elsewhere.
_LOBE, _TONAL = 5, 0.998


class LevelMeter(ABC):
    """The level of a file gathered block by block, so that a long file is normalised like a short one."""

    @abstractmethod
    def add(self, spectrum: Tensor) -> LevelMeter:
        """Take in the next complex spectra (frames, bins) of the file and return itself."""

    @abstractmethod
    def measured(self) -> float:
        """Return the level of what was taken in; 0 for nothing."""

    @property
    def level(self) -> float:
        """The number to divide by: 1 for silence and for no normalisation."""
        level = self.measured()
        return level if level > _SILENCE else 1.0


class NoMeter(LevelMeter):
    """Of files that keep their level."""

    def add(self, spectrum: Tensor) -> LevelMeter:  # noqa: ARG002
        """Look at nothing."""
        return self

    def measured(self) -> float:
        """Return 1."""
        return 1.0


class WholeMeter(LevelMeter):
    """The root mean square, or the largest magnitude, of everything."""

    def __init__(self, *, peak: bool) -> None:
        self._is_peak = peak
        self._total, self._count, self._peak = 0.0, 0, 0.0

    def add(self, spectrum: Tensor) -> LevelMeter:
        """Take in complex spectra (frames, bins) and return itself."""
        if spectrum.numel():
            power = spectrum.real.double().square() + spectrum.imag.double().square()
            self._total += float(power.sum())
            self._count += power.numel()
            self._peak = max(self._peak, float(power.max()) ** 0.5)
        return self

    def measured(self) -> float:
        """Return the level of what was taken in."""
        if self._is_peak:
            return self._peak
        return (self._total / self._count) ** 0.5 if self._count else 0.0


class GatedMeter(LevelMeter):
    """The root mean square, or the largest magnitude, of a block in which somebody speaks.

    It keeps three numbers for every 100 ms.
    """

    def __init__(self, *, peak: bool, hop_ms: float) -> None:
        self._is_peak, self._hop_ms = peak, hop_ms
        self._blocks: list[Tensor] = []
        self._rest: Tensor | None = None

    def add(self, spectrum: Tensor) -> LevelMeter:
        """Take in complex spectra (frames, bins) and return itself."""
        if not spectrum.numel():
            return self
        frames = _frames(power_of(spectrum))
        self._rest = frames if self._rest is None else torch.cat([self._rest, frames], dim=-1)
        length, step = _block_frames(self._hop_ms)
        count = (self._rest.shape[-1] - length) // step + 1
        if count > 0:
            self._blocks.append(_blocks(self._rest[:, : (count - 1) * step + length], self._hop_ms))
            self._rest = self._rest[:, count * step :]
        return self

    def measured(self) -> float:
        """Return the level of what was taken in."""
        if self._rest is None:
            return 0.0
        blocks = torch.cat(self._blocks, dim=-1) if self._blocks else _blocks(self._rest, self._hop_ms)
        return float(_gated(blocks, peak=self._is_peak))


def make_meter(rule: str, normalisation: Normalisation, *, hop_ms: float) -> LevelMeter:
    """Return an empty meter of a rule (`whole` or `gated`), for spectra of that hop in milliseconds."""
    if normalisation == "none":
        return NoMeter()
    if rule == "whole":
        return WholeMeter(peak=normalisation == "peak")
    return GatedMeter(peak=normalisation == "peak", hop_ms=hop_ms)


def batch_levels(power: Tensor, rule: str, normalisation: Normalisation, *, hop_ms: float) -> Tensor:
    """Return the level of each of several spectra by its powers (batch, frames, bins), (batch, 1, 1): as the meters."""
    levels = power.new_ones(len(power))
    if power.numel() and normalisation != "none":
        if rule == "gated":
            levels = _gated(_blocks(_frames(power), hop_ms), peak=normalisation == "peak")
        elif normalisation == "rms":
            levels = power.mean((-2, -1)).sqrt()
        else:
            levels = power.amax((-2, -1)).sqrt()
    return torch.where(levels > _SILENCE, levels, 1.0)[:, None, None]


def rms_levels(power: Tensor) -> Tensor:
    """Return the root mean square of each of several spectra by its powers (batch, frames, bins), (batch, 1, 1)."""
    return batch_levels(power, "whole", "rms", hop_ms=1)


def power_of(spectra: Tensor) -> Tensor:
    """Return the powers of complex spectra (…)."""
    values = spectra.detach()
    return values.real.square() + values.imag.square()


def speech_powers(power: Tensor) -> Tensor:
    """Return the mean power of each frame (…, frames) of powers (…, frames, bins), 0 of one or two tones.

    In a file of nothing but tones these count.
    """
    everything, speech, _ = _frames(power)
    return torch.where((speech > 0).any(-1, keepdim=True), speech, everything)


def _frames(power: Tensor) -> Tensor:
    """Return what a level is made of (3, …, frames), of powers (…, frames, bins).

    The mean power of the bins of each frame; the same, but nothing for a frame of one or two tones; the largest power.
    """
    total = power.sum(-1)
    bins = torch.arange(power.shape[-1], device=power.device)
    strongest, where = _lobes(power).max(-1)
    second = _lobes(power.masked_fill((bins - where[..., None]).abs() <= _LOBE // 2, 0)).amax(-1)
    speech = torch.where(strongest + second < _TONAL * total, total, 0)
    return torch.stack([total / len(bins), speech / len(bins), power.amax(-1)])


def _lobes(power: Tensor) -> Tensor:
    """Return the power around each bin (…, bins)."""
    padded, n_bins = torch.nn.functional.pad(power, (_LOBE // 2, _LOBE // 2)), power.shape[-1]
    lobes = padded[..., :n_bins].clone()
    for place in range(1, _LOBE):
        lobes += padded[..., place : place + n_bins]
    return lobes


def _block_frames(hop_ms: float) -> tuple[int, int]:
    """Return the frames in a block, and from a block to the next."""
    return max(1, round(_BLOCK_MS / hop_ms)), max(1, round(_STEP_MS / hop_ms))


def _blocks(frames: Tensor, hop_ms: float) -> Tensor:
    """Return the medians of the powers, and the largest of the largest, of each block (3, …, blocks).

    What is shorter than a block is one.
    """
    length, step = _block_frames(hop_ms)
    cut = frames.unfold(-1, min(length, frames.shape[-1]), step)
    return torch.cat([cut[:2].median(-1).values, cut[2:].amax(-1)])


def _gated(blocks: Tensor, *, peak: bool) -> Tensor:
    """Return the levels (…) of blocks (3, …, blocks)."""
    everything, speech, largest = blocks
    # A file of nothing but tones is as loud as these.
    power = torch.where((speech > 0).any(-1, keepdim=True), speech, everything)
    falling = power.sort(-1, descending=True).values
    count = falling.shape[-1]
    held = min(_HELD_BLOCKS, max(1, round(_HELD_SHARE * count)))
    energy = falling * torch.arange(1, count + 1, device=power.device)
    energy[..., : held - 1] = 0
    carrying = falling.gather(-1, energy.argmax(-1, keepdim=True))
    loud = (largest if peak else power).masked_fill(power < _GATE * carrying, float("nan"))
    return loud.nanmedian(-1).values.sqrt()

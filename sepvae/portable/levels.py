"""The level of a file in NumPy, where somebody speaks: what `frontend.levels` does with torch, by the rule `gated`."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sepvae.portable.spectra import Floats, Spectrum

# As `frontend.levels` has them, where they are told.
_SILENCE = 1e-12
_BLOCK_MS, _STEP_MS = 400.0, 100.0
_GATE = 0.1
_HELD_BLOCKS, _HELD_SHARE = 15, 1 / 3
_LOBE, _TONAL = 5, 0.998


class Meter:
    """The level of one channel, gathered block by block.

    Args:
        normalisation: `rms`, `peak`, or `none`, of files that keep their level.
        hop_ms: from a frame to the next, in milliseconds.
    """

    def __init__(self, normalisation: str, *, hop_ms: float) -> None:
        self._normalisation = normalisation
        self._length, self._step = max(1, round(_BLOCK_MS / hop_ms)), max(1, round(_STEP_MS / hop_ms))
        self._blocks = list[Floats]()
        self._rest = np.zeros((3, 0), np.float32)

    def add(self, spectrum: Spectrum) -> None:
        """Take in the next spectra (frames, bins)."""
        if not spectrum.size or self._normalisation == "none":
            return
        frames = np.concatenate([self._rest, _frames(spectrum)], axis=-1)
        count = (frames.shape[-1] - self._length) // self._step + 1
        if count > 0:
            self._blocks.append(_blocks(frames[:, : (count - 1) * self._step + self._length], self._length, self._step))
            frames = frames[:, count * self._step :]
        self._rest = frames

    @property
    def level(self) -> float:
        """The number to divide by: 1 for silence and for no normalisation."""
        if not self._blocks and not self._rest.size:
            return 1.0
        blocks = self._blocks or [_blocks(self._rest, self._rest.shape[-1], self._step)]
        level = _gated(np.concatenate(blocks, axis=-1), peak=self._normalisation == "peak")
        return level if level > _SILENCE else 1.0


def _frames(spectrum: Spectrum) -> Floats:
    """Return the mean power of each frame, the same but nothing of tones, and the largest power, (3, frames)."""
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    total, bins = power.sum(-1), np.arange(power.shape[-1])
    lobes = _lobes(power)
    where = lobes.argmax(-1)
    beside = np.where(np.abs(bins - where[:, None]) <= _LOBE // 2, np.float32(0), power)
    speech = np.where(lobes.max(-1) + _lobes(beside).max(-1) < _TONAL * total, total, np.float32(0))
    return np.stack([total / len(bins), speech / len(bins), power.max(-1)]).astype(np.float32)


def _lobes(power: Floats) -> Floats:
    padded, n_bins = np.pad(power, ((0, 0), (_LOBE // 2, _LOBE // 2))), power.shape[-1]
    lobes = padded[:, :n_bins].copy()
    for place in range(1, _LOBE):
        lobes += padded[:, place : place + n_bins]
    return lobes


def _lower_median(values: Floats) -> Floats:
    """Return the lower of the two in the middle (…) of values (…, count), as torch does."""
    return np.asarray(np.sort(values, axis=-1)[..., (values.shape[-1] - 1) // 2], np.float32)


def _blocks(frames: Floats, length: int, step: int) -> Floats:
    cut = sliding_window_view(frames, min(length, frames.shape[-1]), axis=-1)[:, ::step]
    return np.concatenate([_lower_median(cut[:2]), cut[2:].max(-1)])


def _gated(blocks: Floats, *, peak: bool) -> float:
    everything, speech, largest = blocks
    power = speech if (speech > 0).any() else everything
    falling = np.sort(power)[::-1]
    held = min(_HELD_BLOCKS, max(1, round(_HELD_SHARE * len(falling))))
    energy = falling * np.arange(1, len(falling) + 1, dtype=np.float32)
    energy[: held - 1] = 0
    carrying = falling[energy.argmax()]
    loud = (largest if peak else power)[power >= _GATE * carrying]
    return float(np.sqrt(_lower_median(loud)))

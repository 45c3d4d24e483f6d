"""Damage that leaves a file readable: 16-bit samples that went through a program for text.

Such a program turns the byte 13 (carriage return) into 10, and the pair 13 10 into one byte. From there on every sample
is made of the halves of two neighbours and sounds like loud noise, which no check of the format notices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Wave

_BLOCK = 128
# Torn samples jump by thousands from one to the next, and are smooth when read from one byte on; whole samples read
# from one byte on jump by 20 000, more than loud noise does.
_LOUD_JUMP = 1500.0
_SMOOTHER = 0.3
# Bytes 12 and 14 this often and 13 never does not happen by chance (e^-60).
_NEIGHBOURS = 60


@dataclass(frozen=True)
class Damage:
    """What a program for text did to a file: the sample from which bytes are shifted, and whether 13 never occurs."""

    shifted_from: int | None
    text_mode: bool


def _mean_jump(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the mean step between neighbours in each block of samples (time,), (blocks,)."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    return np.asarray(np.abs(np.diff(blocks, axis=1)).mean(1))


class Examination:
    """Looks for the traces of a transfer in text mode in 16-bit samples that come block by block."""

    def __init__(self) -> None:
        self._counts = np.zeros(256, np.int64)
        self._position = 0
        self._shifted_from: int | None = None

    def update(self, wave: Wave) -> None:
        """Take samples (time,) float32 of a 16-bit file, in [-1, 1], into account."""
        samples = np.rint(wave * 32768).clip(-32768, 32767).astype("<i2")
        data = np.frombuffer(samples.tobytes(), np.uint8)
        self._counts += np.bincount(data, minlength=256)
        if self._shifted_from is None:
            as_read, one_byte_on = _mean_jump(samples), _mean_jump(np.frombuffer(data[1:-1].tobytes(), "<i2"))
            n_blocks = min(len(as_read), len(one_byte_on))
            torn = (as_read[:n_blocks] > _LOUD_JUMP) & (one_byte_on[:n_blocks] < _SMOOTHER * as_read[:n_blocks])
            found = np.flatnonzero(torn)
            self._shifted_from = self._position + int(found[0]) * _BLOCK if found.size else None
        self._position += len(samples)

    @property
    def damage(self) -> Damage:
        """What was found so far."""
        neighbours = min(self._counts[12], self._counts[14])
        return Damage(self._shifted_from, bool(self._counts[13] == 0 and neighbours >= _NEIGHBOURS))


def examine(wave: Wave) -> Damage:
    """Look for the traces of a transfer in text mode in the samples (time,) of a 16-bit file."""
    examination = Examination()
    examination.update(wave)
    return examination.damage

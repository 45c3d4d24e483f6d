"""Resampling, in memory and from file to file (soxr)."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from sepvae.audio.readers import AudioInfo, Wave, inspect, read_blocks
from sepvae.audio.writers import writing
from sepvae.errors import ConfigError


def resample(wave: Wave, *, from_rate: int, to_rate: int) -> Wave:
    """Resample (…, time) from one rate in Hz to another (soxr, very high quality, linear phase).

    The result has exactly round(time · to_rate / from_rate) samples.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ConfigError(f"sample rates must be positive, received {from_rate} and {to_rate} Hz")
    length = round(wave.shape[-1] * to_rate / from_rate)
    if from_rate == to_rate or wave.size == 0:
        return wave if from_rate == to_rate else np.zeros((*wave.shape[:-1], length), np.float32)
    import soxr

    flat = np.atleast_2d(wave.reshape(-1, wave.shape[-1])).T
    changed = soxr.resample(np.ascontiguousarray(flat), from_rate, to_rate, quality="VHQ").T
    padded = np.zeros((changed.shape[0], length), np.float32)
    padded[:, : min(length, changed.shape[1])] = changed[:, :length]
    return padded.reshape(*wave.shape[:-1], length)


def resample_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to_rate: int,
    n_samples: int | None = None,
    subtype: str = "float",
) -> int:
    """Resample an audio file into another, block by block, in bounded memory.

    Args:
        to_rate: Hz of the new file.
        n_samples: length of the new file; round(time · to_rate / from_rate) by default.
        subtype: as `writing`.

    Returns:
        The number of samples beyond ±1 that an integer subtype had to saturate.

    Raises:
        InputError, ConfigError, OutputError: as `read` and `writing`.
    """
    import soxr

    if to_rate <= 0 or (n_samples is not None and n_samples < 0):
        raise ConfigError(f"{target}: cannot resample to {to_rate} Hz and {n_samples} samples: give positive numbers")
    info = inspect(source)
    length = round(info.n_samples * to_rate / info.sample_rate) if n_samples is None else n_samples
    if to_rate == info.sample_rate and length == info.n_samples:
        return _copy(source, target, info, subtype)
    stream = soxr.ResampleStream(info.sample_rate, to_rate, info.n_channels, dtype="float32", quality="VHQ")
    with writing(target, sample_rate=to_rate, n_channels=info.n_channels, n_samples=length, subtype=subtype) as writer:
        written = 0

        def put(chunk: NDArray[np.float32]) -> None:
            nonlocal written
            part = chunk[: length - written].T
            writer.write(np.ascontiguousarray(part))
            written += part.shape[1]

        for block in read_blocks(source):
            put(stream.resample_chunk(np.ascontiguousarray(block.T)))
        put(stream.resample_chunk(np.zeros((0, info.n_channels), np.float32), last=True))
        # The resampler may end a sample early or late: the length is what was promised.
        put(np.zeros((length - written, info.n_channels), np.float32))
        return writer.clipped_samples


def _copy(source: str | os.PathLike[str], target: str | os.PathLike[str], info: AudioInfo, subtype: str) -> int:
    """Write the samples of a file into another one, and return how many had to be saturated."""
    shape = {"sample_rate": info.sample_rate, "n_channels": info.n_channels, "n_samples": info.n_samples}
    with writing(target, **shape, subtype=subtype) as writer:
        for block in read_blocks(source):
            writer.write(block)
        return writer.clipped_samples

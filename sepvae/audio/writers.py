"""Writing of sound files: whole or not at all, checked before the first sample."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae.audio.readers import Wave, inspect, libsndfile_name, read
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import ask_for_space, atomic_file
from sepvae.formats import MAX_RATE_HZ, MIN_RATE_HZ, SUBTYPES

# libsndfile's own names.
_CODES: Mapping[str, str] = {"float": "FLOAT", "pcm16": "PCM_16", "pcm24": "PCM_24"}
_FULL_SCALE = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}
_WIDTHS = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}
_CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
# libsndfile keeps the samples of one call to an Ogg encoder on the stack, and crashes on a minute of them.
_WRITE_SAMPLES = 1 << 14
_MAX_WAV_BYTES = 0xFFFFFF00  # sizes in WAV have 32 bits, and its header needs a few bytes
_MAX_FLAC_SAMPLES = (1 << 36) - 1
# Highest rate and number of channels of a format; libsndfile crashes on more in Ogg.
_LIMITS = {"WAV": (MAX_RATE_HZ, 1024), "FLAC": (MAX_RATE_HZ, 8), "OGG": (200_000, 255)}
_SFC_SET_ADD_PEAK_CHUNK, _SFC_RF64_AUTO_DOWNGRADE = 0x1050, 0x1210


class _Format(NamedTuple):
    """What a file is written as: libsndfile's names, and whether RF64 becomes WAV again if it stays below 4 GiB."""

    container: str
    code: str
    may_shrink: bool = False


def _format(path: Path, sample_rate: int, n_channels: int, n_samples: int | None, subtype: str) -> _Format:
    """Return what to write a file as; ConfigError and OutputError as `check_format`."""
    container = _CONTAINERS.get(path.suffix.lower())
    if container is None or subtype not in SUBTYPES:
        raise ConfigError(
            f"{path}: cannot write {subtype!r} into {path.suffix!r}: "
            f"endings are {', '.join(_CONTAINERS)}, subtypes {', '.join(SUBTYPES)}"
        )
    if not MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ:
        raise ConfigError(
            f"{path}: is to be written at {sample_rate} Hz, and {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are read: choose "
            "another rate"
        )
    highest_rate, most_channels = _LIMITS[container]
    if sample_rate > highest_rate or not 1 <= n_channels <= most_channels:
        raise ConfigError(
            f"{path}: {container} cannot hold {n_channels} channels at {sample_rate} Hz: "
            "choose another ending or rate (samples are (channels, time))"
        )
    if container == "OGG":
        return _Format("OGG", "VORBIS")
    code = _CODES[subtype]
    if container == "FLAC":
        if n_samples is not None and not 0 < n_samples <= _MAX_FLAC_SAMPLES:
            what = "recording without samples" if n_samples == 0 else f"{n_samples} samples"
            raise OutputError(f"cannot write {path}: this format holds no {what}: choose .wav")
        return _Format("FLAC", "PCM_24" if code == "FLOAT" else code)
    if n_samples is None:
        return _Format("RF64", code, may_shrink=True)
    return _Format("RF64" if n_samples * n_channels * _WIDTHS[code] > _MAX_WAV_BYTES else "WAV", code)


def check_format(
    path: str | os.PathLike[str], *, sample_rate: int, n_channels: int, n_samples: int, subtype: str = "float"
) -> int:
    """Check that samples can be written under a name, before there are any, and return how many bytes they will take.

    Compressed formats take fewer.

    Raises:
        ConfigError: unknown ending or subtype, a rate that is not read (`MIN_RATE_HZ` to `MAX_RATE_HZ` of
            `sepvae.formats`), or a rate or number of channels that the container cannot hold.
        OutputError: a length that it cannot hold.
    """
    code = _format(Path(path), sample_rate, n_channels, n_samples, subtype).code
    return n_samples * n_channels * _WIDTHS.get(code, 4)


def _floating(wave: NDArray[Any], what: str) -> Wave:
    """Return samples as float32; InputError for integers, which would be read as thousands of times too loud."""
    samples = np.asarray(wave)
    if not np.issubdtype(samples.dtype, np.floating):
        raise InputError(
            f"{what}: received samples of type {samples.dtype}, expected floats in [-1, 1]: divide by the full scale"
        )
    return samples.astype(np.float32, copy=False)


def _quantise(wave: Wave, subtype: str) -> NDArray[Any]:
    """Round and saturate to an integer subtype, so that 1.0 never wraps to -1 and a read-write trip is exact."""
    if subtype not in _FULL_SCALE:
        return wave
    scale = _FULL_SCALE[subtype]
    whole = np.clip(np.rint(wave.astype(np.float64) * scale), -scale, scale - 1)
    if subtype == "PCM_24":
        return (whole.astype(np.int32) << 8).astype(np.int32)
    return whole.astype(np.int16)


class Writer:
    """An open audio file that takes blocks (channels, time); made by `writing`."""

    def __init__(self, file: Any, path: Path, promised: int | None = None) -> None:
        self._file, self._path, self._promised = file, path, promised
        self.clipped_samples = 0
        self.n_samples = 0

    def write(self, wave: Wave) -> None:
        """Append a block; OutputError when a sample is NaN or infinite, or there are more than were promised."""
        if wave.ndim != 2 or wave.shape[0] != self._file.channels:
            raise InputError(
                f"{self._path}: received samples of shape {wave.shape}, expected ({self._file.channels}, time)"
            )
        if not np.isfinite(wave).all():
            raise OutputError(f"{self._path}: refusing to write NaN or infinite samples")
        self.n_samples += wave.shape[1]
        if self._promised is not None and self.n_samples > self._promised:
            raise OutputError(f"{self._path}: received {self.n_samples} samples, {self._promised} were promised")
        if self._file.subtype in _FULL_SCALE:
            self.clipped_samples += int((np.abs(wave) > 1.0).sum())
        samples = _quantise(wave, self._file.subtype).T
        for start in range(0, len(samples), _WRITE_SAMPLES):
            self._file.write(samples[start : start + _WRITE_SAMPLES])


def _create(part: Path, final: Path, sample_rate: int, n_channels: int, chosen: _Format) -> Any:
    """Open a new file; ConfigError when the container cannot hold such audio."""
    import soundfile

    part.touch()  # what the file system refuses, it refuses here, with its own reason
    try:
        name = libsndfile_name(part)
        file = soundfile.SoundFile(name, "w", sample_rate, n_channels, chosen.code, format=chosen.container)
    except (soundfile.LibsndfileError, OverflowError, TypeError) as error:
        ask_for_space(part)
        raise ConfigError(
            f"{final}: {chosen.container} cannot hold {n_channels} channels at {sample_rate} Hz: "
            "choose another ending or rate (samples are (channels, time))"
        ) from error
    # libsndfile would note the time of day in float WAV: the same samples must make the same bytes.
    soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
    if chosen.may_shrink:
        soundfile._snd.sf_command(file._file, _SFC_RF64_AUTO_DOWNGRADE, soundfile._ffi.NULL, 1)
    return file


def _check_written(part: Path, final: Path, n_samples: int) -> None:
    """Read back the length and the last sample: not every encoder of libsndfile reports a full disk."""
    if n_samples == 0 and part.stat().st_size == 0:
        raise OutputError(f"cannot write {final}: this format holds no recording without samples: choose .wav")
    try:
        complete = inspect(part).n_samples == n_samples and (
            n_samples == 0 or read(part, start=n_samples - 1).wave.shape[1] == 1
        )
    except InputError:
        complete = False
    if not complete:
        ask_for_space(part)
        raise OutputError(f"cannot write {final}: not all samples reached the disk (is the disk full?)")


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str],
    *,
    sample_rate: int,
    n_channels: int,
    n_samples: int | None = None,
    subtype: str = "float",
) -> Iterator[Writer]:
    """Open an audio file for block-wise writing; it appears under its name only when the block succeeds.

    Above 4 GiB .wav is RF64, WAV with sizes of 64 bits.

    Args:
        path: name ending in .wav, .flac or .ogg.
        sample_rate: Hz.
        n_channels: of every block.
        n_samples: how many will be written at most, where that is known: without it a short WAV file has a header with
            room for larger sizes.
        subtype: `float` (WAV only), `pcm16` or `pcm24`; `float` falls back to `pcm24` in FLAC, vorbis in OGG.

    Raises:
        ConfigError, OutputError: as `check_format`; OutputError also when the file cannot be written, or not whole.
    """
    import soundfile

    final = Path(path)
    chosen = _format(final, sample_rate, n_channels, n_samples, subtype)
    with atomic_file(final) as part:
        try:
            with _create(part, final, sample_rate, n_channels, chosen) as file:
                writer = Writer(file, final, n_samples)
                yield writer
        except soundfile.LibsndfileError as error:
            ask_for_space(part)
            raise OutputError(f"cannot write {final}: {error.error_string} (is the disk full?)") from error
        _check_written(part, final, writer.n_samples)


def write(path: str | os.PathLike[str], wave: Wave, *, sample_rate: int, subtype: str = "float") -> int:
    """Write samples (channels, time) or (time,) atomically.

    Returns:
        The number of samples beyond ±1 that an integer subtype had to saturate.

    Raises:
        ConfigError, OutputError: as `writing`; OutputError also for NaN.
        InputError: the samples are integers.
    """
    block = np.atleast_2d(_floating(wave, f"cannot write {path}"))
    n_channels, n_samples = block.shape[0], block.shape[-1]
    with writing(path, sample_rate=sample_rate, n_channels=n_channels, n_samples=n_samples, subtype=subtype) as writer:
        writer.write(block)
        return writer.clipped_samples


def encode(wave: Wave, *, sample_rate: int, container: str = "FLAC", subtype: str = "pcm16") -> bytes:
    """Return samples (channels, time) or (time,) as a `FLAC` or `WAV` file in memory, for pages and archives."""
    import soundfile

    block, buffer, code = np.atleast_2d(np.asarray(wave, np.float32)), io.BytesIO(), _CODES[subtype]
    if container == "WAV" and block.size * _WIDTHS[code] > _MAX_WAV_BYTES:
        container = "RF64"
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, block.shape[0], code, format=container) as file:
            soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
            file.write(_quantise(block, code).T)
    except soundfile.LibsndfileError as error:
        what = f"{block.shape[0]} channels at {sample_rate} Hz as {subtype}"
        raise ConfigError(f"{container} cannot hold {what}: choose another format") from error
    return buffer.getvalue()

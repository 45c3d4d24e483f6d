"""Reading, writing and resampling of audio files: the only place that touches soundfile and soxr.

Arrays are (channels, time) float32 in [-1, 1]; integer formats are divided by their full scale.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae.containers import check_whole
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import ask_for_space, atomic_file
from sepvae.formats import SUBTYPES

Wave = NDArray[np.float32]

# libsndfile's own names.
_CODES: Mapping[str, str] = {"float": "FLOAT", "pcm16": "PCM_16", "pcm24": "PCM_24"}
_FULL_SCALE = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}
_CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_BLOCK_SAMPLES = 1 << 18
# libsndfile keeps the samples of one call to an Ogg encoder on the stack, and crashes on a minute of them.
_WRITE_SAMPLES = 1 << 14
_MAX_WAV_BYTES = 0xFFFFFF00  # sizes in WAV have 32 bits, and its header needs a few bytes
# Highest rate and number of channels of a format; libsndfile crashes on more in Ogg.
_LIMITS = {"WAV": ((1 << 31) - 1, 1024), "FLAC": (655_350, 8), "OGG": (200_000, 255)}
_UNKNOWN_FRAMES = (1 << 63) - 1  # what libsndfile says of a FLAC file that does not say its length
_SFC_SET_ADD_PEAK_CHUNK = 0x1050


class Audio(NamedTuple):
    """Samples (channels, time) float32 and their rate in Hz."""

    wave: Wave
    sample_rate: int


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says, checked against the size of the file."""

    sample_rate: int
    n_channels: int
    n_samples: int
    container: str
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def _name(path: Path) -> str | bytes:
    """Return the name for libsndfile, for which "-" alone would be a pipe, and which takes any bytes but on Windows."""
    absolute = path.absolute()
    return str(absolute) if os.name == "nt" else os.fsencode(absolute)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a checked file with soundfile; every failure becomes an InputError that names the file."""
    import soundfile

    try:
        check_whole(path)
        file = soundfile.SoundFile(_name(path))
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read ({_reason(error)})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        with file:
            if file.frames == _UNKNOWN_FRAMES:
                raise InputError(f"{path}: does not say how long it is (it was written to a pipe): encode it again")
            yield file
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: damaged or cut off ({_reason(error)}); copy the file again") from error


def _reason(error: Any) -> str:
    """Return what libsndfile says, which for a damaged MP3 file is that there is no file."""
    return "unknown contents" if "does not exist" in error.error_string else str(error.error_string).strip(" .")


def _blocks(file: Any, n_samples: int, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Wave]:
    """Yield up to `n_samples` in blocks (channels, time): memory follows what is there, not what a header claims."""
    while n_samples > 0:
        block = file.read(min(n_samples, block_samples), dtype="float32", always_2d=True).T
        if block.shape[1] == 0:
            return
        n_samples -= block.shape[1]
        yield block


def inspect(path: str | os.PathLike[str]) -> AudioInfo:
    """Return rate, channels and length of an audio file without reading its samples.

    Raises:
        InputError: the file is missing, empty, a folder, not audio, cut off, or compressed SPHERE.
    """
    with _opened(Path(path)) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)


def read(path: str | os.PathLike[str], *, start: int = 0, n_samples: int | None = None) -> Audio:
    """Read an audio file (WAV, FLAC, OGG, PCM SPHERE and what else libsndfile knows).

    Args:
        start: first sample to read.
        n_samples: samples to read, all that follow by default.

    Returns:
        Samples (channels, time) float32 in [-1, 1] and the rate in Hz.

    Raises:
        InputError: as `inspect`; or the range lies outside the file; or a sample is NaN or infinite.
    """
    source = Path(path)
    with _opened(source) as file:
        total = file.frames
        stop = total if n_samples is None else start + n_samples
        if not 0 <= start <= stop <= total:
            raise InputError(f"{source}: samples {start} to {stop} asked for, the file has {total}")
        file.seek(start)
        blocks = list(_blocks(file, stop - start))
        rate, n_channels = file.samplerate, file.channels
    wave = np.concatenate(blocks, axis=1) if blocks else np.zeros((n_channels, 0), np.float32)
    _check_count(source, wave.shape[1], stop - start)
    return Audio(check_finite(np.ascontiguousarray(wave), str(source)), rate)


def _check_count(path: Path, received: int, expected: int) -> None:
    if received != expected:
        raise InputError(f"{path}: truncated: {expected - received} samples are missing; copy the file again")


def read_blocks(path: str | os.PathLike[str], *, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Wave]:
    """Yield a file's samples in blocks (channels, time ≤ block_samples), in bounded memory.

    Raises:
        InputError: as `read`.
    """
    source, done = Path(path), 0
    with _opened(source) as file:
        total = file.frames
        for block in _blocks(file, total, block_samples):
            yield check_finite(np.ascontiguousarray(block), str(source), start=done)
            done += block.shape[1]
    _check_count(source, done, total)


def read_mono(path: str | os.PathLike[str], sample_rate: int) -> NDArray[np.float32]:
    """Read a one-channel file at an expected rate as (time,) float32.

    Raises:
        InputError: as `read`; or the file has several channels or another rate.
    """
    wave, rate = read(path)
    if wave.shape[0] != 1:
        raise InputError(f"{path}: has {wave.shape[0]} channels, expected one: mix it down first")
    if rate != sample_rate:
        raise InputError(f"{path}: is sampled at {rate} Hz, expected {sample_rate} Hz: resample it first")
    mono: NDArray[np.float32] = wave[0]
    return mono


def check_finite(wave: Wave, name: str, *, start: int = 0) -> Wave:
    """Return `wave` (…, time); InputError with the first bad position, counted from `start`, for NaN and infinity."""
    finite = np.isfinite(wave)
    if not finite.all():
        first = start + int(np.argmin(finite.all(axis=tuple(range(wave.ndim - 1)))))
        raise InputError(f"{name}: sample {first} is NaN or infinite: repair the file or leave it out")
    return wave


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

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path
        self.clipped_samples = 0
        self.n_samples = 0

    def write(self, wave: Wave) -> None:
        """Append a block; OutputError when a sample is NaN or infinite, or the WAV file would pass 4 GiB."""
        if wave.ndim != 2 or wave.shape[0] != self._file.channels:
            raise InputError(
                f"{self._path}: received samples of shape {wave.shape}, expected ({self._file.channels}, time)"
            )
        if not np.isfinite(wave).all():
            raise OutputError(f"{self._path}: refusing to write NaN or infinite samples")
        self.n_samples += wave.shape[1]
        width = {"PCM_16": 2, "PCM_24": 3}.get(self._file.subtype, 4)
        if self._file.format == "WAV" and self.n_samples * wave.shape[0] * width > _MAX_WAV_BYTES:
            raise OutputError(f"{self._path}: a WAV file holds no more than 4 GiB: choose a name ending in .flac")
        if self._file.subtype in _FULL_SCALE:
            self.clipped_samples += int((np.abs(wave) > 1.0).sum())
        samples = _quantise(wave, self._file.subtype).T
        for start in range(0, len(samples), _WRITE_SAMPLES):
            self._file.write(samples[start : start + _WRITE_SAMPLES])


def _create(part: Path, final: Path, sample_rate: int, n_channels: int, container: str, code: str) -> Any:
    """Open a new file; ConfigError when the container cannot hold such audio."""
    import soundfile

    part.touch()  # what the file system refuses, it refuses here, with its own reason
    try:
        if sample_rate < 1 or sample_rate > _LIMITS[container][0] or n_channels > _LIMITS[container][1]:
            raise OverflowError("beyond the limits of the format")
        file = soundfile.SoundFile(_name(part), "w", sample_rate, n_channels, code, format=container)
    except (soundfile.LibsndfileError, OverflowError, TypeError) as error:
        ask_for_space(part)
        raise ConfigError(
            f"{final}: {container} cannot hold {n_channels} channels at {sample_rate} Hz: "
            "choose another ending or rate (samples are (channels, time))"
        ) from error
    # libsndfile would note the time of day in float WAV: the same samples must make the same bytes.
    soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
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
    path: str | os.PathLike[str], *, sample_rate: int, n_channels: int, subtype: str = "float"
) -> Iterator[Writer]:
    """Open an audio file for block-wise writing; it appears under its name only when the block succeeds.

    Args:
        path: name ending in .wav, .flac or .ogg.
        subtype: `float` (WAV only), `pcm16` or `pcm24`; `float` falls back to `pcm24` in FLAC, vorbis in OGG.

    Raises:
        ConfigError: unknown ending or subtype, or audio that the container cannot hold.
        OutputError: the file cannot be written, or not whole.
    """
    import soundfile

    final = Path(path)
    container = _CONTAINERS.get(final.suffix.lower())
    if container is None or subtype not in SUBTYPES:
        raise ConfigError(
            f"{final}: cannot write {subtype!r} into {final.suffix!r}: "
            f"endings are {', '.join(_CONTAINERS)}, subtypes {', '.join(SUBTYPES)}"
        )
    code = _CODES[subtype]
    if container == "FLAC" and code == "FLOAT":
        code = "PCM_24"
    if container == "OGG":
        code = "VORBIS"
    with atomic_file(final) as part:
        try:
            with _create(part, final, sample_rate, n_channels, container, code) as file:
                writer = Writer(file, final)
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
    with writing(path, sample_rate=sample_rate, n_channels=block.shape[0], subtype=subtype) as writer:
        writer.write(block)
        return writer.clipped_samples


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
    stream = soxr.ResampleStream(info.sample_rate, to_rate, info.n_channels, dtype="float32", quality="VHQ")
    with writing(target, sample_rate=to_rate, n_channels=info.n_channels, subtype=subtype) as writer:
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


def encode(wave: Wave, *, sample_rate: int, container: str = "FLAC", subtype: str = "pcm16") -> bytes:
    """Return samples (channels, time) or (time,) as a `FLAC` or `WAV` file in memory, for pages and archives."""
    import soundfile

    block, buffer, code = np.atleast_2d(np.asarray(wave, np.float32)), io.BytesIO(), _CODES[subtype]
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, block.shape[0], code, format=container) as file:
            soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
            file.write(_quantise(block, code).T)
    except soundfile.LibsndfileError as error:
        what = f"{block.shape[0]} channels at {sample_rate} Hz as {subtype}"
        raise ConfigError(f"{container} cannot hold {what}: choose another format") from error
    return buffer.getvalue()

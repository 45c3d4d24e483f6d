"""Reading, writing and resampling of audio files: the only place that touches soundfile and soxr.

Arrays are (channels, time) float32 in [-1, 1]; integer formats are divided by their full scale.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae import sphere
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import atomic_file

Wave = NDArray[np.float32]

# libsndfile's own names; everything a user may ask for.
SUBTYPES = {"float": "FLOAT", "pcm16": "PCM_16", "pcm24": "PCM_24"}
_FULL_SCALE = {"PCM_16": 1 << 15, "PCM_24": 1 << 23}
_CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_BLOCK_SAMPLES = 1 << 18


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


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected an audio file")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {'no such file' if not path.exists() else error.strerror}") from None
    if size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")


def _check_not_truncated(path: Path) -> None:
    """Compare the declared size of WAV and SPHERE data with the file: libsndfile reads cut files silently."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(12)
    if magic[:7] == sphere.MAGIC:
        header = sphere.read_header(path)
        if not header.coding.startswith("pcm") or "shorten" in header.coding:
            raise InputError(
                f"{path}: SPHERE with {header.coding} compression cannot be read: "
                "expand it first with the LDC's sph2pipe (sph2pipe -f wav IN OUT)"
            )
        missing = header.n_bytes + (header.data_bytes or 0) - size
        if missing > 0:
            raise InputError(f"{path}: truncated: {missing} bytes of audio are missing; copy the file again")
    elif magic[:4] == b"RIFF" and magic[8:] == b"WAVE":
        _check_riff(path, size)


def _check_riff(path: Path, size: int) -> None:
    with path.open("rb") as file:
        position = 12
        while position + 8 <= size:
            file.seek(position)
            head = file.read(8)
            declared = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                missing = position + 8 + declared - size
                # 0xFFFFFFFF and 0 are what streaming writers leave when they cannot seek back.
                if missing > 0 and declared < 0xFFFFFF00:
                    raise InputError(f"{path}: truncated: {missing} bytes of audio are missing; copy the file again")
                return
            position += 8 + declared + declared % 2
    raise InputError(f"{path}: truncated: the WAV file has no audio data; copy the file again")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a checked file with soundfile; every failure becomes an InputError that names the file."""
    import soundfile

    _check_is_file(path)
    _check_not_truncated(path)
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read ({error.error_string})") from error


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
        stop = file.frames if n_samples is None else start + n_samples
        if not 0 <= start <= stop <= file.frames:
            raise InputError(f"{source}: samples {start} to {stop} asked for, the file has {file.frames}")
        file.seek(start)
        wave = file.read(stop - start, dtype="float32", always_2d=True).T
        rate = file.samplerate
    if wave.shape[1] != stop - start:
        raise InputError(
            f"{source}: truncated: {stop - start - wave.shape[1]} samples are missing; copy the file again"
        )
    return Audio(check_finite(np.ascontiguousarray(wave), str(source)), rate)


def read_blocks(path: str | os.PathLike[str], *, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Wave]:
    """Yield a file's samples in blocks (channels, time ≤ block_samples), in bounded memory.

    Raises:
        InputError: as `read`.
    """
    n_samples = inspect(path).n_samples
    for start in range(0, n_samples, block_samples):
        yield read(path, start=start, n_samples=min(block_samples, n_samples - start)).wave


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


def check_finite(wave: Wave, name: str) -> Wave:
    """Return `wave` (…, time); InputError with the first bad position when a sample is NaN or infinite."""
    finite = np.isfinite(wave)
    if not finite.all():
        first = int(np.argmin(finite.all(axis=tuple(range(wave.ndim - 1)))))
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

    def __init__(self, file: Any, path: Path, subtype: str) -> None:
        self._file, self._path, self._subtype = file, path, subtype
        self.clipped_samples = 0

    def write(self, wave: Wave) -> None:
        """Append a block; OutputError when a sample is NaN or infinite."""
        if not np.isfinite(wave).all():
            raise OutputError(f"{self._path}: refusing to write NaN or infinite samples")
        if self._subtype in _FULL_SCALE:
            self.clipped_samples += int((np.abs(wave) > 1.0).sum())
        self._file.write(_quantise(wave, self._subtype).T)


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str], *, sample_rate: int, n_channels: int, subtype: str = "float"
) -> Iterator[Writer]:
    """Open an audio file for block-wise writing; it appears under its name only when the block succeeds.

    Args:
        path: name ending in .wav, .flac or .ogg.
        subtype: `float` (WAV only), `pcm16` or `pcm24`; `float` falls back to `pcm24` in FLAC, vorbis in OGG.

    Raises:
        ConfigError: unknown ending or subtype.
        OutputError: the file cannot be written.
    """
    import soundfile

    final = Path(path)
    container = _CONTAINERS.get(final.suffix.lower())
    if container is None or subtype not in SUBTYPES:
        raise ConfigError(
            f"{final}: cannot write {subtype!r} into {final.suffix!r}: "
            f"endings are {', '.join(_CONTAINERS)}, subtypes {', '.join(SUBTYPES)}"
        )
    code = SUBTYPES[subtype]
    if container == "FLAC" and code == "FLOAT":
        code = "PCM_24"
    if container == "OGG":
        code = "VORBIS"
    with atomic_file(final) as part:
        try:
            with soundfile.SoundFile(os.fspath(part), "w", sample_rate, n_channels, code, format=container) as file:
                yield Writer(file, final, code)
        except soundfile.LibsndfileError as error:
            # libsndfile hides errno; a failing write to an open file is a full disk or quota.
            raise OutputError(f"cannot write {final}: {error.error_string} (is the disk full?)") from error


def write(path: str | os.PathLike[str], wave: Wave, *, sample_rate: int, subtype: str = "float") -> int:
    """Write samples (channels, time) or (time,) atomically.

    Returns:
        The number of samples beyond ±1 that an integer subtype had to saturate.

    Raises:
        ConfigError, OutputError: as `writing`; OutputError also for NaN.
    """
    block = np.atleast_2d(np.asarray(wave, np.float32))
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


def encode_flac(wave: Wave, *, sample_rate: int) -> bytes:
    """Return samples (channels, time) or (time,) as a 16-bit FLAC file in memory, for a page that plays them."""
    import io

    import soundfile

    buffer = io.BytesIO()
    block = _quantise(np.atleast_2d(np.asarray(wave, np.float32)), "PCM_16")
    soundfile.write(buffer, block.T, sample_rate, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()

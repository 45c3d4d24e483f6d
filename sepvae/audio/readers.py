"""Reading of sound files: everything that is in them, whatever their headers say, and never more memory than that."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae.containers import examine
from sepvae.containers.contents import Contents, Piece, View, truncated
from sepvae.errors import InputError
from sepvae.formats import FOREIGN_ENDINGS, MAX_RATE_HZ, MIN_RATE_HZ

Wave = NDArray[np.float32]

_LOGGER = logging.getLogger(__name__)
# Samples of a block in every channel, and in all of them together.
_BLOCK_SAMPLES, _BLOCK_VALUES = 1 << 18, 1 << 22
# Bytes and samples of a block of GSM 6.10: libsndfile counts one too many where their number is odd.
_GSM = {"AIFF": (33, 160), "WAV": (65, 320), "W64": (65, 320)}
# Samples that are decoded and thrown away at a time.
_SKIP_SAMPLES = 1 << 16
# A file that is read whole is held in memory so often for a moment: its blocks, and all of them as one.
_COPIES = 2
_MOST_32_BIT = (1 << 32) - 1
_UNKNOWN_FRAMES = (1 << 63) - 1  # what libsndfile says of a file that does not say its length
# Bytes of a sample, by libsndfile's names: what can be read without a header.
_WIDTHS = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
    "ULAW": 1,
    "ALAW": 1,
}
# Of others libsndfile cannot find a sample without decoding all before it, or finds another one (Vorbis).
_FINDS = {*_WIDTHS, "IMA_ADPCM", "MS_ADPCM", "ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32"}


class Audio(NamedTuple):
    """Samples (channels, time) float32 and their rate in Hz."""

    wave: Wave
    sample_rate: int


@dataclass(frozen=True)
class AudioInfo:
    """What is in an audio file.

    `finds_samples` says whether a stretch is read without decoding what comes before it; `note` what the header says
    otherwise about the length, empty where nothing.
    """

    sample_rate: int
    n_channels: int
    n_samples: int
    container: str
    subtype: str
    finds_samples: bool = True
    note: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


class _Source(NamedTuple):
    """An open file of libsndfile, and what is in it."""

    file: Any
    info: AudioInfo


def libsndfile_name(path: Path) -> str | bytes:
    """Return the name for libsndfile, for which "-" alone would be a pipe, and which takes any bytes but on Windows."""
    absolute = path.absolute()
    return str(absolute) if os.name == "nt" else os.fsencode(absolute)


@lru_cache(maxsize=1 << 14)
def _tell(path: str, note: str, level: int) -> None:
    """Say once what is odd about a file."""
    _LOGGER.log(level, "%s: %s", path, note)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open a file with soundfile so that all of it is read; every failure becomes an InputError that names the file."""
    import soundfile

    with contextlib.ExitStack() as stack:
        try:
            contents = examine(path)
            source = _open(path, contents, stack)
        except soundfile.LibsndfileError as error:
            advice = ": convert it to WAV or FLAC first" if path.suffix.lower() in FOREIGN_ENDINGS else ""
            raise InputError(f"{path}: not an audio file that can be read ({_reason(error)}){advice}") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        # Of any other rate there is no recording, and resampling from it has no end.
        if not MIN_RATE_HZ <= source.info.sample_rate <= MAX_RATE_HZ:
            raise InputError(
                f"{path}: is sampled at {source.info.sample_rate} Hz, and {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are read: "
                "is its header right?"
            )
        if contents.note:
            _tell(str(path), contents.note, logging.WARNING if contents.warning else logging.INFO)
        try:
            yield source
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path}: damaged or cut off ({_reason(error)}); copy the file again") from error


def _open(path: Path, contents: Contents, stack: contextlib.ExitStack) -> _Source:
    """Open a file as its contents want it: as it is, with a mended header, or samples alone."""
    import soundfile

    def view(pieces: tuple[Piece, ...], beyond: int = 0) -> View:
        return stack.enter_context(View(path.open("rb"), pieces, beyond))

    name = view(contents.pieces, contents.beyond) if contents.pieces else libsndfile_name(path)
    file = stack.enter_context(soundfile.SoundFile(name))
    container, subtype, n_samples = file.format, file.subtype, contents.n_samples
    samples, width = contents.samples, _WIDTHS.get(file.subtype, 0) * file.channels
    if samples is not None and width and samples.frame_bytes in (0, width):
        n_samples = samples.n_bytes // width
        if file.frames != n_samples:
            # libsndfile reads something else, or less than 4 GiB: it is shown the samples without their header.
            endian = file.endian if file.endian in ("LITTLE", "BIG") else samples.order.upper()
            bare = view(((samples.begin, samples.begin + samples.n_bytes),))
            options = {"samplerate": file.samplerate, "channels": file.channels, "subtype": subtype, "endian": endian}
            file = stack.enter_context(soundfile.SoundFile(bare, format="RAW", **options))
    elif samples is not None and contents.pieces and samples.n_bytes > _MOST_32_BIT:
        raise InputError(
            f"{path}: holds {samples.n_bytes} bytes of {subtype}, more than its header can count ({_MOST_32_BIT}): "
            "expand it to WAV first"
        )
    elif samples is not None and subtype == "GSM610" and container in _GSM:
        block_bytes, block_samples = _GSM[container]
        n_samples = min(file.frames, samples.n_bytes // block_bytes * block_samples)
    if n_samples is None and file.frames == _UNKNOWN_FRAMES:
        raise InputError(f"{path}: does not say how long it is (it was written to a pipe): encode it again")
    finds = subtype in _FINDS and file.seekable()
    count = file.frames if n_samples is None else n_samples
    return _Source(file, AudioInfo(file.samplerate, file.channels, count, container, subtype, finds, contents.note))


def _reason(error: Any) -> str:
    """Return what libsndfile says, which for a damaged MP3 file is that there is no file."""
    return "unknown contents" if "does not exist" in error.error_string else str(error.error_string).strip(" .")


def _decode(file: Any, n_samples: int) -> Wave:
    """Return the next samples (channels, time), fewer at the end.

    soundfile's own method goes to the place that it is at after each call, which not every decoder of libsndfile does.
    """
    import soundfile

    buffer = np.empty((n_samples, file.channels), np.float32)
    pointer = soundfile._ffi.cast("float*", soundfile._ffi.from_buffer(buffer))
    count = soundfile._snd.sf_readf_float(file._file, pointer, n_samples)
    if code := soundfile._snd.sf_error(file._file):
        raise soundfile.LibsndfileError(code)
    return buffer[:count].T


def _blocks(source: _Source, n_samples: int, block_samples: int) -> Iterator[Wave]:
    """Yield up to `n_samples` in blocks (channels, time): memory follows what is there, not what a header claims."""
    block_samples = min(block_samples, max(1, _BLOCK_VALUES // source.info.n_channels))
    while n_samples > 0:
        block = _decode(source.file, min(n_samples, block_samples))
        if block.shape[1] == 0:
            return
        n_samples -= block.shape[1]
        yield block


def _go_to(source: _Source, start: int) -> int:
    """Go to a sample, if need be by decoding what comes before it; return how many were passed."""
    if start == 0 or source.info.finds_samples:
        if start:
            source.file.seek(start)
        return start
    return sum(block.shape[1] for block in _blocks(source, start, _SKIP_SAMPLES))


def inspect(path: str | os.PathLike[str]) -> AudioInfo:
    """Return rate, channels and length of an audio file without decoding its samples.

    The length is that of what is there; where the header says otherwise, that is logged once for each file.

    Raises:
        InputError: the file is missing, empty, a folder, not audio, cut off, or compressed SPHERE.
    """
    with _opened(Path(path)) as opened:
        return opened.info


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
    with _opened(source) as opened:
        total = opened.info.n_samples
        stop = total if n_samples is None else start + n_samples
        if not 0 <= start <= stop <= total:
            raise InputError(f"{source}: samples {start} to {stop} asked for, the file has {total}")
        _check_memory(source, opened.info, stop - start)
        received = _go_to(opened, start)
        blocks = list(_blocks(opened, stop - start, _BLOCK_SAMPLES))
    received += sum(block.shape[1] for block in blocks)
    _check_count(source, received, stop)
    wave = np.concatenate(blocks, axis=1) if blocks else np.zeros((opened.info.n_channels, 0), np.float32)
    return Audio(check_finite(np.ascontiguousarray(wave), str(source)), opened.info.sample_rate)


def _check_memory(path: Path, info: AudioInfo, n_samples: int) -> None:
    """Raise InputError when samples would fill most of the memory: a system kills who takes all of it."""
    needed = _COPIES * n_samples * info.n_channels * np.dtype(np.float32).itemsize
    if needed > _memory_bytes():
        raise InputError(
            f"{path}: {n_samples / info.sample_rate / 3600:.1f} h of {info.n_channels} channels do not fit into memory "
            f"({needed / 1e9:.0f} GB are needed): cut it into parts, or use 'sepvae separate', which reads in blocks"
        )


def _memory_bytes() -> float:
    """Return how much memory the machine has; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return float("inf")


def _check_count(path: Path, received: int, expected: int) -> None:
    if received != expected:
        raise truncated(path, expected - received, expected, received, "samples")


def read_blocks(path: str | os.PathLike[str], *, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Wave]:
    """Yield a file's samples in blocks (channels, time ≤ block_samples), in bounded memory.

    Raises:
        InputError: as `read`.
    """
    source, done = Path(path), 0
    with _opened(source) as opened:
        total = opened.info.n_samples
        for block in _blocks(opened, total, block_samples):
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

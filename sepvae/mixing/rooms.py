"""Impulse responses of rooms, simulated by the image method (Allen & Berkley 1979) or measured, and sounds in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.errors import InputError, MissingExtra
from sepvae.files import hash_file
from sepvae.mixing.scene import SPEED_OF_SOUND_M_S, Scene

Response = NDArray[np.float32]

# What a response depends on beside the room. The sum of the images is rounded differently on several threads.
_CONSTANTS = {
    "num_threads": 1,
    "c": SPEED_OF_SOUND_M_S,
    "frac_delay_length": 81,
    "sinc_lut_granularity": 20,
    # Its high-pass runs in both directions, before the direct path too, and disturbs what is ten times as high.
    "rir_hpf_enable": False,
}
_HIGH_PASS_HZ = 20.0
_HIGH_PASS_TAIL_S = 0.1


def impulse_responses(scene: Scene, *, sample_rate: int) -> list[Response]:
    """Return the impulse responses of a room from each source to all microphones.

    Args:
        scene: the room.
        sample_rate: in Hz.

    Returns:
        One array (microphones, taps) float32 for each source, the direct path in it; shared between callers and
        read-only. The delays are those of the paths: simulated responses are all 40 samples later, which is half of the
        filter that places an image between samples, and have nothing below 20 Hz; measured ones are as they are in the
        file.

    Raises:
        MissingExtra: simulation without pyroomacoustics.
        InputError: a measured response is missing, has changed, or has another number of channels.
    """
    if scene.kind == "simulated":
        return list(_simulated(scene.model_copy(update={"gains": ()}), sample_rate))
    return [
        _measured(Path(str(scene.folder)) / file, digest, scene.n_microphones, sample_rate)
        for file, digest in zip(scene.files, scene.sha256, strict=True)
    ]


def images_of(wave: NDArray[np.float32], response: Response, gain: float = 1.0) -> Response:
    """Return what the microphones hear of a source.

    Args:
        wave: the source as it speaks, (time,).
        response: impulse responses to the microphones, (microphones, taps).
        gain: of the images.

    Returns:
        Images (microphones, time), as long as the source: what reverberates after it is cut.
    """
    from scipy.signal import fftconvolve

    images = fftconvolve(wave[None].astype(np.float64), response.astype(np.float64), axes=-1)[:, : len(wave)]
    return np.float32(gain) * np.ascontiguousarray(images, np.float32)


@contextlib.contextmanager
def _constants() -> Iterator[None]:
    """Set what pyroomacoustics keeps for the whole process, and set it back."""
    from pyroomacoustics.parameters import constants

    before = {name: constants.get(name) for name in _CONSTANTS}
    try:
        for name, value in _CONSTANTS.items():
            constants.set(name, value)
        yield
    finally:
        for name, value in before.items():
            constants.set(name, value)


@lru_cache(maxsize=64)
def _simulated(scene: Scene, sample_rate: int) -> tuple[Response, ...]:
    """Return the responses of each source in a shoebox room whose walls absorb alike at all frequencies."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise MissingExtra("the simulation of rooms", "rooms", error) from error
    with _constants():
        room = pyroomacoustics.ShoeBox(
            scene.size_m,
            fs=sample_rate,
            materials=pyroomacoustics.Material(scene.absorption),
            max_order=scene.max_order,
            ray_tracing=False,
            air_absorption=False,
            use_rand_ism=False,
            min_phase=False,
        )
        for place in scene.sources_m:
            room.add_source(list(place))
        room.add_microphone_array(np.array(scene.microphones_m).T)
        room.compute_rir()
    return tuple(
        _high_passed([own[source] for own in room.rir], sample_rate=sample_rate) for source in range(scene.n_sources)
    )


def _high_passed(taps: Sequence[NDArray[np.floating]], *, sample_rate: int) -> Response:
    """Return the responses of one source (microphones, taps), each (taps,), without what is too low to be heard.

    All reflections have the sign of the direct path, so that a room would amplify the offset of a recording by far more
    than speech (Allen & Berkley 1979).
    """
    from scipy.signal import butter, sosfilt

    # The microphones differ by a few samples in length.
    response = np.zeros((len(taps), max(map(len, taps)) + round(_HIGH_PASS_TAIL_S * sample_rate)))
    for row, own in zip(response, taps, strict=True):
        row[: len(own)] = own
    sections = butter(2, _HIGH_PASS_HZ, "highpass", fs=sample_rate, output="sos")
    filtered: Response = sosfilt(sections, response, axis=-1).astype(np.float32)
    filtered.setflags(write=False)
    return filtered


def _measured(path: Path, digest: str, n_microphones: int, sample_rate: int) -> Response:
    try:
        status = path.stat()
    except OSError:
        raise InputError(f"{path}: no such impulse response: restore it, or make the mixtures anew") from None
    response, found = _load(path, sample_rate, status.st_size, status.st_mtime_ns)
    if found != digest:
        raise InputError(f"{path}: has changed since the manifest was made: restore it, or make the mixtures anew")
    if len(response) != n_microphones:
        raise InputError(f"{path}: has {len(response)} channels, its room {n_microphones} microphones: mix anew")
    return response


@lru_cache(maxsize=64)
def _load(path: Path, sample_rate: int, size: int, modified_ns: int) -> tuple[Response, str]:  # noqa: ARG001
    """Return a measured response at a rate, and the hash of its file; cached while the file stays the same."""
    wave, rate = audio.read(path)
    response = audio.resample(wave, from_rate=rate, to_rate=sample_rate)
    if not np.square(response, dtype=np.float64).sum(axis=-1).all():
        raise InputError(f"{path}: a channel of this impulse response is silent: leave the file out")
    response.setflags(write=False)
    return response, hash_file(path)

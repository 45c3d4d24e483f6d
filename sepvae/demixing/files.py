"""Separation of recordings of several microphones from files: one of several channels, or one for each microphone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.audio import Wave
from sepvae.demixing.demixer import Demixer
from sepvae.errors import ConfigError, InputError
from sepvae.files import check_free
from sepvae.outputs import OutputList, folder_of_outputs


@dataclass(frozen=True)
class DemixedFile:
    """What became of one recording: the outputs by talker, and what was found on the way.

    `likely` is who of the model's speakers each talker sounds like most, with a probability.
    """

    paths: tuple[str, ...]
    outputs: dict[str, str]
    likely: dict[str, tuple[str, float]]
    sample_rate: int
    resampled_to: int | None
    n_channels: int
    n_samples: int
    iterations: int
    seconds: float
    clipped_samples: int


def read_microphones(paths: Sequence[Path], channels: Sequence[int] = ()) -> tuple[NDArray[np.float32], int]:
    """Return the channels (channels, time) of a file, or of one file for each microphone, and their rate in Hz.

    Args:
        paths: one file, or several that were recorded together.
        channels: which to take, counted from 0 over all files; all when empty.

    Raises:
        InputError: files of different lengths or rates, or channels that are not there; the message names them.
    """
    first, *others = (audio.read(path) for path in paths)
    for path, one in zip(paths[1:], others, strict=True):
        if one.sample_rate != first.sample_rate:
            raise InputError(
                f"{path}: is sampled at {one.sample_rate} Hz, {paths[0]} at {first.sample_rate} Hz: microphones of "
                "one recording share a rate and a clock"
            )
        if one.wave.shape[1] != first.wave.shape[1]:
            raise InputError(
                f"{path}: has {one.wave.shape[1]} samples, {paths[0]} has {first.wave.shape[1]}: microphones of one "
                "recording are of one length: cut them to it from the same start"
            )
    wave = np.concatenate([one.wave for one in (first, *others)])
    if missing := [place for place in channels if not 0 <= place < len(wave)]:
        raise InputError(f"{paths[0]}: has no channel {missing[0]}: there are {len(wave)}, counted from 0")
    return wave[list(channels)] if channels else wave, first.sample_rate


def _finals(folder: Path, names: Sequence[str], *, overwrite: bool) -> dict[str, Path]:
    """Return where each talker goes; OutputError when something is there that must stay."""
    finals = {name: folder / f"{name}.wav" for name in names}
    for name, final in finals.items():
        if final.parent != folder:
            raise ConfigError(f"speakers: {name!r} cannot name a file: leave speakers out")
        check_free(final, overwrite=overwrite)
    return finals


def _resampled_back(wave: Wave, *, from_rate: int, to_rate: int, n_samples: int) -> Wave:
    """Return a talker (time,) at the rate and length of the recording, (1, n_samples)."""
    back = audio.resample(wave[None], from_rate=from_rate, to_rate=to_rate)[:, :n_samples]
    return np.pad(back, ((0, 0), (0, n_samples - back.shape[1])))


def demix_files(
    demixer: Demixer,
    paths: Sequence[Path],
    folder: Path,
    *,
    channels: Sequence[int] = (),
    n_sources: int | None = None,
    speakers: Sequence[str] = (),
    subtype: str = "float",
    overwrite: bool = False,
    outputs: OutputList | None = None,
    begin: Callable[[], object] = lambda: None,
) -> DemixedFile:
    """Separate one recording into `folder/<talker>.wav`, at its own rate and length, as its first channel hears them.

    A recording at another rate than the model's is resampled there and back.

    Args:
        demixer: what separates it.
        paths: one file of several channels, or one file for each microphone.
        folder: of the outputs.
        channels: which to take, counted from 0; all when empty.
        n_sources: talkers; as many as speakers or channels when None.
        speakers: who talks, when it is known.
        subtype: `float`, `pcm16` or `pcm24`; integers saturate, and how often is counted.
        overwrite: replace outputs that exist.
        outputs: list of the folder of all outputs, which these are added to.
        begin: is called when the outputs may be written, before the first of them is.

    Raises:
        InputError: the files cannot be read or demixed.
        ConfigError: speakers that the model does not know.
        OutputError: an output exists or cannot be written.
    """
    started, recording = time.perf_counter(), ", ".join(map(str, paths))
    wave, rate = read_microphones(paths, channels)
    names = demixer.names(len(wave), n_sources=n_sources, speakers=speakers)
    finals = _finals(folder, names, overwrite=overwrite)
    shape = {"sample_rate": rate, "n_channels": 1, "n_samples": wave.shape[1]}
    audio.check_space(folder, sum(audio.check_format(final, **shape, subtype=subtype) for final in finals.values()))
    with folder_of_outputs(folder):
        resampled = audio.resample(wave, from_rate=rate, to_rate=demixer.sample_rate)
        try:
            found = demixer.separate(
                resampled,
                demixer.sample_rate,
                n_sources=n_sources,
                speakers=speakers,
                channels=channels,
                name=recording,
            )
        except InputError as error:
            raise InputError(f"{recording}: {error}") from error
        if outputs is not None:
            outputs.add(finals.values())
        begin()
        clipped = sum(
            audio.write(
                finals[name],
                _resampled_back(part, from_rate=demixer.sample_rate, to_rate=rate, n_samples=wave.shape[1]),
                sample_rate=rate,
                subtype=subtype,
            )
            for name, part in found.waves.items()
        )
    return DemixedFile(
        paths=tuple(map(str, paths)),
        outputs={name: str(finals[name]) for name in found.waves},
        likely=found.likely,
        sample_rate=rate,
        resampled_to=None if rate == demixer.sample_rate else demixer.sample_rate,
        n_channels=len(wave),
        n_samples=wave.shape[1],
        iterations=found.n_iterations,
        seconds=time.perf_counter() - started,
        clipped_samples=clipped,
    )

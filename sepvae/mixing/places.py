"""Draws the room of each mixture: where the microphones and the talkers are, or which measured responses they have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.corpora.listing import file_names
from sepvae.errors import ConfigError, InputError
from sepvae.files import check_folder, hash_file
from sepvae.formats import is_audio
from sepvae.mixing.scene import Point, RoomConfig, Scene, describe_size, reverberation

_ATTEMPTS = 20_000
_AZIMUTH = re.compile(r"(?<![a-z])az(?:imuth)?_?([+-]?\d+(?:\.\d+)?)", re.IGNORECASE)


def azimuth_of(name: str) -> float | None:
    """Return the azimuth in degrees that a file's name states, in its own direction, None where it states none.

    Example:
        >>> azimuth_of("roomA_16k_az-30.wav"), azimuth_of("kitchen.wav")
        (-30.0, None)
    """
    found = _AZIMUTH.search(name)
    return float(found[1]) if found else None


def angle_between(one: float, two: float) -> float:
    """Return the angle between two directions, from 0 to 180 degrees.

    Example:
        >>> angle_between(-170.0, 170.0)
        20.0
    """
    return abs((one - two + 180) % 360 - 180)


def _far_apart(azimuths: Sequence[float | None], least: float) -> bool:
    known = [azimuth for azimuth in azimuths if azimuth is not None]
    return all(angle_between(one, two) >= least for one, two in combinations(known, 2))


def array_shape(config: RoomConfig) -> NDArray[np.float64]:
    """Return where the microphones are around the centre of an array whose front is the x axis, (microphones, 2)."""
    count = config.n_microphones
    if config.array == "linear":
        along = (np.arange(count) - (count - 1) / 2) * config.spacing_m
        return np.stack([np.zeros(count), -along], axis=1)
    radius = config.spacing_m / (2 * np.sin(np.pi / count)) if count > 1 else 0.0
    turns = 2 * np.pi * np.arange(count) / count
    return radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)


class Rooms:
    """Draws the room of one mixture after the other.

    Raises:
        InputError: the folder of measured responses has none, or they differ in their number of channels.
    """

    def __init__(self, config: RoomConfig) -> None:
        self._config = config
        self._files, self._n_microphones = list[str](), config.n_microphones
        if config.folder is not None:
            self._folder = Path(config.folder).resolve()
            self._files, self._n_microphones = _list_responses(self._folder)

    def draw(self, n_sources: int, random: np.random.Generator) -> Scene:
        """Return a room with microphones and `n_sources` sources.

        Raises:
            ConfigError: they find no place that suits the settings.
        """
        draw = self._simulated if self._config.kind == "simulated" else self._measured
        return draw(n_sources, random)

    def _simulated(self, n_sources: int, random: np.random.Generator) -> Scene:
        config = self._config
        size = _point(random.uniform(low, high) for low, high in config.size_m)
        # Drawn from a range of one number too, so that the places are the same whatever the reverberation.
        rt60_s = float(random.uniform(*config.rt60_s))
        absorption, max_order = reverberation(size, rt60_s)
        inside, shape = np.array(size[:2]) - config.margin_m, array_shape(config)
        widest = 90.0 if config.array == "linear" else 180.0
        for _ in range(_ATTEMPTS):
            centre, front = random.uniform(config.margin_m, inside), random.uniform(-np.pi, np.pi)
            azimuths = random.uniform(-widest, widest, n_sources)
            distances = random.uniform(*config.distance_m, n_sources)
            heights = random.uniform(*config.height_m, 1 + n_sources)
            if not _far_apart(azimuths.tolist(), config.min_angle_deg):
                continue
            turn = np.array([[np.cos(front), np.sin(front)], [-np.sin(front), np.cos(front)]])
            directions = front + np.deg2rad(azimuths)
            talkers = centre + distances[:, None] * np.stack([np.cos(directions), np.sin(directions)], axis=1)
            microphones = centre + shape @ turn
            places = np.concatenate([microphones, talkers])
            if (places >= config.margin_m).all() and (places <= inside).all():
                return Scene(
                    kind="simulated",
                    n_microphones=len(shape),
                    azimuths_deg=tuple(round(float(azimuth), 3) for azimuth in azimuths),
                    size_m=size,
                    rt60_s=rt60_s,
                    absorption=absorption,
                    max_order=max_order,
                    array=config.array,
                    microphones_m=tuple(_point((*place, heights[0])) for place in microphones),
                    sources_m=tuple(_point((*p, z)) for p, z in zip(talkers, heights[1:], strict=True)),
                )
        raise ConfigError(
            f"room: {n_sources} sources {config.distance_m[0]:g} to {config.distance_m[1]:g} m from the microphones "
            f"and {config.min_angle_deg:g} degrees apart find no place in a room of {describe_size(size)}: ask for a "
            "smaller room.distance_m, room.min_angle_deg or room.margin_m, or a larger room.size_m"
        )

    def _azimuth(self, file: str) -> float | None:
        """Return the azimuth of a file counter-clockwise, as those of simulated rooms are."""
        stated = azimuth_of(file)
        # Subtracted, for a front of −0 would be written as such.
        return 0.0 - stated if stated is not None and self._config.clockwise else stated

    def _measured(self, n_sources: int, random: np.random.Generator) -> Scene:
        for _ in range(_ATTEMPTS if len(self._files) >= n_sources else 0):
            files = [self._files[index] for index in random.choice(len(self._files), n_sources, replace=False)]
            azimuths = tuple(self._azimuth(file) for file in files)
            if _far_apart(azimuths, self._config.min_angle_deg):
                return Scene(
                    kind="measured",
                    n_microphones=self._n_microphones,
                    azimuths_deg=azimuths,
                    folder=str(self._folder),
                    files=tuple(files),
                    sha256=tuple(hash_file(self._folder / file) for file in files),
                )
        raise ConfigError(
            f"room: the {len(self._files)} impulse responses in {self._folder} give no {n_sources} places "
            f"{self._config.min_angle_deg:g} degrees apart: ask for a smaller room.min_angle_deg, or add recordings"
        )


def _point(values: object) -> Point:
    """Return a place or a size to the micrometre, so that a manifest can be read."""
    x, y, z = (round(float(value), 6) for value in values)  # type: ignore[attr-defined]
    return x, y, z


def _list_responses(folder: Path) -> tuple[list[str], int]:
    """Return the names of the impulse responses in a folder, and their number of channels."""
    check_folder(folder, advice="give one of impulse responses")
    found = [name for name in file_names(folder) if is_audio(name)]
    if not found:
        raise InputError(
            f"{folder}: no impulse responses found there: give a folder of audio files, one for each place, with a "
            "channel for each microphone"
        )
    channels = {name: audio.inspect(folder / name).n_channels for name in found}
    first = channels[found[0]]
    for name, count in channels.items():
        if count != first:
            raise InputError(
                f"{folder}: {found[0]} has {first} channels and {name} has {count}: all must be of the same microphones"
            )
    return found, first

"""What a made mixture sounds like: pauses of its sources, a room around them, and the band of who records it.

Of an item of a batch only its own random stream decides. What a model is to give of a source in a room is its direct
sound with the early reflections behind it, which a listener hears as one with it (Haas 1951).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.files import atomic_folder, hash_json, read_json, write_json
from sepvae.limits import Hertz, Share
from sepvae.mixing.places import Rooms
from sepvae.mixing.rooms import impulse_responses
from sepvae.mixing.scene import RoomConfig
from sepvae.progress import progress
from sepvae.seeds import generator
from sepvae.training.tables import writing_table

Waves = NDArray[np.float32]
_INDEX, _RESPONSES = "index.json", "responses.npy"
# Of responses what is 60 dB below the loudest is nothing that is heard, and costs as much as the rest.
_TAIL_DB = -60.0
_FADE_S = 0.01
# Coefficients of a filter that colours are drawn up to this.
_COLOUR = 3 / 8


class SceneConfig(Config):
    """How mixtures are changed as they are made; shares are of mixtures.

    `pauses` is the share of sources that are silent for a stretch, of any length and anywhere; in `alone` of the
    mixtures one source is heard and no other. `colours` is the share of sources and noises that go through a filter of
    their own, such as other microphones have (two poles and two zeros, Valin 2018, eq. 7). `rooms` draws `n_rooms`
    simulated rooms once, heard by one microphone; `room_share` of the mixtures are in one of them, and what is learnt
    of a source is its direct sound and `early_ms` of what follows. `band_share` of them are heard through a band-pass
    whose lower edge is drawn of `low_hz` and the upper of `high_hz`. Validation mixtures stay as they are.
    """

    pauses: Share = 0.0
    alone: Share = 0.0
    colours: Share = 0.0
    rooms: RoomConfig | None = None
    room_share: Share = 0.5
    n_rooms: int = Field(200, ge=1, le=10_000)
    early_ms: float = Field(50.0, gt=0, le=1000)
    band_share: Share = 0.0
    low_hz: tuple[Hertz, Hertz] = (50.0, 300.0)
    high_hz: tuple[Hertz, Hertz] = (3000.0, 7600.0)

    @model_validator(mode="after")
    def _can_be_heard(self) -> SceneConfig:
        if self.rooms is not None and (self.rooms.kind != "simulated" or self.rooms.n_microphones != 1):
            raise ConfigError("rooms: give simulated ones with n_microphones = 1, as mixtures are heard by one")
        (lowest, low), (high, highest) = self.low_hz, self.high_hz
        if not 0 < lowest <= low < high <= highest:
            raise ConfigError(
                f"low_hz = {lowest:g} to {low:g}, high_hz = {high:g} to {highest:g}: give ranges above 0, in this order"
            )
        return self


class Heard(NamedTuple):
    """The mixture as it is heard (time,), and what is to be learnt of its sources (sources, time)."""

    mixture: Waves
    targets: Waves


class RoomBank:
    """Impulse responses of drawn rooms (rooms, sources, taps), and which of their taps are early.

    Args:
        rooms: how they are drawn.
        n_rooms: how many.
        early_ms: what of a response is early.
        n_sources: in each room.
        sample_rate: Hz.
        seed: of all draws.
        cache: folder of the responses; written atomically when missing or of other rooms.

    Raises:
        MissingExtra: there is nothing to simulate rooms with.
    """

    def __init__(
        self,
        rooms: RoomConfig,
        *,
        n_rooms: int,
        early_ms: float,
        n_sources: int,
        sample_rate: int,
        seed: int,
        cache: Path,
    ) -> None:
        key = hash_json([rooms.model_dump(mode="json"), n_rooms, n_sources, sample_rate, seed])
        if not (cache / _INDEX).is_file() or read_json(cache / _INDEX)["key"] != key:
            drawn, found = Rooms(rooms), list[Waves]()
            with progress("rooms", n_rooms, unit="rooms") as bar:
                for number in range(n_rooms):
                    scene = drawn.draw(n_sources, generator(seed, "training room", number))
                    found.append(_until_silent([one[0] for one in impulse_responses(scene, sample_rate=sample_rate)]))
                    bar.advance(1)
            self._store(found, cache, key)
        self._starts: list[int] = read_json(cache / _INDEX)["starts"]
        self._responses: Waves = np.load(cache / _RESPONSES, mmap_mode="r", allow_pickle=False)
        self._n_early = round(early_ms * sample_rate / 1000)

    @staticmethod
    def _store(found: list[Waves], cache: Path, key: str) -> None:
        starts = [0, *np.cumsum([one.shape[1] for one in found]).tolist()]
        with atomic_folder(cache) as folder:
            with writing_table(folder / _RESPONSES, (len(found[0]), starts[-1])) as table:
                for one, start in zip(found, starts, strict=False):
                    for row, taps in enumerate(one):
                        table.write(row, taps, column=start)
            write_json(folder / _INDEX, {"key": key, "starts": starts})

    def __len__(self) -> int:
        return len(self._starts) - 1

    def hear(self, number: int, sources: Waves) -> tuple[Waves, Waves]:
        """Return what is heard of sources (sources, time) in a room, and of that what is early, each of their shape."""
        from scipy.signal import fftconvolve

        responses = np.array(self._responses[:, self._starts[number] : self._starts[number + 1]])
        early = early_part(responses, n_early=self._n_early)
        # A room makes nobody louder: the level of a source is that of what is to be learnt of it.
        levels = np.sqrt(np.square(early).sum(-1, keepdims=True))
        n_samples = sources.shape[1]
        both = [fftconvolve(sources, one / levels, axes=-1)[:, :n_samples] for one in (responses, early)]
        return np.asarray(both[0], np.float32), np.asarray(both[1], np.float32)


def early_part(responses: Waves, *, n_early: int) -> Waves:
    """Return responses (…, taps) up to `n_early` taps behind their direct path, and nothing behind that."""
    direct = np.abs(responses).argmax(-1)[..., None]
    return np.where(np.arange(responses.shape[-1]) <= direct + n_early, responses, 0).astype(np.float32)


def _until_silent(responses: list[Waves]) -> Waves:
    """Return responses, each (taps,), as (sources, taps) up to where all of them have died away."""
    length = max(map(len, responses))
    together = np.stack([np.pad(one, (0, length - len(one))) for one in responses])
    loud = np.abs(together) > 10 ** (_TAIL_DB / 20) * np.abs(together).max(-1, keepdims=True)
    return np.ascontiguousarray(together[:, : int(np.flatnonzero(loud.any(0))[-1]) + 1], np.float32)


class Scenes:
    """Changes mixtures as they are made.

    Args:
        config: how.
        n_sources: of a mixture, the noise aside.
        sample_rate: Hz.
        seed: of the rooms.
        cache: folder of their responses.

    Raises:
        ConfigError: a band above half the sample rate, or rooms that cost too much or have too few directions.
        MissingExtra: there is nothing to simulate rooms with.
    """

    def __init__(self, config: SceneConfig, *, n_sources: int, sample_rate: int, seed: int, cache: Path) -> None:
        if config.band_share and config.high_hz[1] >= sample_rate / 2:
            raise ConfigError(
                f"waves.scene.high_hz = {config.high_hz[1]:g}: give less than half the sample rate, that is "
                f"{sample_rate / 2:g} Hz"
            )
        self._config, self._rate = config, sample_rate
        self._bank = None
        if config.rooms is not None and config.room_share:
            config.rooms.check_angles(n_sources)
            config.rooms.check_cost(n_sources, sample_rate)
            self._bank = RoomBank(
                config.rooms,
                n_rooms=config.n_rooms,
                early_ms=config.early_ms,
                n_sources=n_sources,
                sample_rate=sample_rate,
                seed=seed,
                cache=cache,
            )

    def hear(self, waves: Waves, stream: np.random.Generator) -> Heard:
        """Return what is heard of the sources and the noise, last, of an item (sources + 1, time)."""
        if self._config.colours:
            waves = np.stack([self._coloured(wave, stream) for wave in waves])
        sources, noise = self._with_pauses(waves[:-1], stream), waves[-1:]
        images = targets = sources
        if self._bank is not None and stream.random() < self._config.room_share:
            images, targets = self._bank.hear(int(stream.integers(len(self._bank))), sources)
        mixture = np.concatenate([images, noise]).sum(0, keepdims=True)
        if stream.random() < self._config.band_share:
            mixture, targets = self._through_band(mixture, targets, stream)
        return Heard(mixture[0], targets)

    def _coloured(self, wave: Waves, stream: np.random.Generator) -> Waves:
        """Return a wave (time,) through a filter, as loud as before."""
        from scipy.signal import lfilter

        zeros, poles = stream.uniform(-_COLOUR, _COLOUR, (2, 2))
        if stream.random() >= self._config.colours or not wave.any():
            return wave
        changed = lfilter([1, *zeros], [1, *poles], wave)
        return np.asarray(changed * (np.linalg.norm(wave) / np.linalg.norm(changed)), np.float32)

    def _with_pauses(self, sources: Waves, stream: np.random.Generator) -> Waves:
        n_samples, gains = sources.shape[1], np.ones_like(sources)
        if stream.random() < self._config.alone:
            gains[np.arange(len(gains)) != int(stream.integers(len(gains)))] = 0
            return sources * gains
        times, fade = np.arange(n_samples), max(1, round(_FADE_S * self._rate))
        for gain in gains:
            start, stop = (round(place * n_samples) for place in sorted(stream.random(2)))
            # A cut is heard as a click, and no voice ends in one: what has no room to fade is no pause.
            if stream.random() < self._config.pauses and stop - start > 2 * fade:
                # What lies between is silent, and not nearly so: a level would make it loud again.
                gain[:] = np.interp(times, [start, start + fade, stop - fade, stop], [1, 0, 0, 1])
        return sources * gains

    def _through_band(self, mixture: Waves, targets: Waves, stream: np.random.Generator) -> tuple[Waves, Waves]:
        from scipy.signal import butter, sosfilt

        edges = [float(stream.uniform(*self._config.low_hz)), float(stream.uniform(*self._config.high_hz))]
        sections = butter(4, edges, "bandpass", fs=self._rate, output="sos")
        both = sosfilt(sections, np.concatenate([mixture, targets]), axis=-1)
        return np.asarray(both[:1], np.float32), np.asarray(both[1:], np.float32)

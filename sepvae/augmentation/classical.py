"""The classical augmentations, on waves: additive noise, reverberation, speed, gain, band-pass.

Each draws its parameters from the stream of the record alone, and applies them as a pure function of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from sepvae import audio
from sepvae.audio import Wave
from sepvae.augmentation.contract import Augmentation, DrawContext
from sepvae.config import Config
from sepvae.corpora.damaged_files import SILENCE_RMS
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.noise import BackgroundConfig, Recording, list_backgrounds, list_noises
from sepvae.seeds import generator
from sepvae.settings import DecibelRange, HertzRange, SecondsRange

# Speeds are thousandths, so that the resampler has a ratio of whole numbers.
_SPEED_STEPS = 1000
# Of the synthetic recordings of a kind only the first are used: each process has to make them.
_SYNTHETIC = 3
# A response ends where it has fallen by this much.
_DECAY_DB = 60.0
# Between the edge of a band and half the sample rate: a filter has to fall somewhere.
_BELOW_NYQUIST = 0.95


def _uniform(stream: np.random.Generator, limits: tuple[float, float]) -> float:
    """Return a number of the range, rounded so that its JSON is short and reads back as the same number."""
    return round(float(stream.uniform(*limits)), 6)


def _chosen(name: str, only: tuple[str, ...], there: Collection[str]) -> set[str]:
    """Return the recordings that settings keep to, all of them when they name none."""
    if unknown := set(only) - set(there):
        raise ConfigError(
            f"{name}.only: there is no recording {min(unknown)!r}: they are {', '.join(sorted(there)[:20])}"
        )
    return set(only or there)


class NoiseConfig(Config):
    """Noise of the recordings in `folder` (searched with its folders), or synthetic, at a level below the speech.

    `only` keeps to some of the recordings, by their paths in the folder, such as those that no test hears.
    """

    folder: str | None = None
    only: tuple[str, ...] = ()
    snr_db: DecibelRange = (5.0, 20.0)


class Noise(Augmentation):
    """Adds a stretch of noise at a signal-to-noise ratio: mean powers over the whole utterance, in decibels."""

    Config = NoiseConfig
    config: NoiseConfig
    name: ClassVar[str] = "noise"

    def prepare(self) -> None:
        """List the recordings; ConfigError when one that is asked for is not among them."""
        self._folder = Path(self.config.folder) if self.config.folder else None
        kinds = list_noises(self._folder) if self._folder else list_backgrounds(BackgroundConfig())
        listed = {recording.path for own in kinds.values() for recording in own}
        chosen = _chosen(self.name, self.config.only, listed)
        left = {kind: [one for one in kinds[kind] if one.path in chosen] for kind in sorted(kinds)}
        self._kinds = {kind: own for kind, own in left.items() if own}

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the kind of noise (each as often as any other), the recording, where it starts (0 to 1), the SNR."""
        kind = sorted(self._kinds)[int(context.stream.integers(len(self._kinds)))]
        own = self._kinds[kind] if self._folder else self._kinds[kind][:_SYNTHETIC]
        recording = own[int(context.stream.integers(len(own)))]
        start, snr_db = _uniform(context.stream, (0.0, 1.0)), _uniform(context.stream, self.config.snr_db)
        return {"kind": kind, "path": recording.path, "start": start, "snr_db": snr_db}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return samples (channels, time) with the noise, the same in all channels; InputError when it is silent."""
        noise = self._stretch(
            Recording(parameters["kind"], parameters["path"], self._folder), wave, sample_rate, parameters
        )
        power = float(np.square(wave, dtype=np.float64).mean())
        gain = np.sqrt(power / np.square(noise).mean() / 10 ** (parameters["snr_db"] / 10))
        noisy: Wave = (wave + gain * noise).astype(np.float32)
        return noisy

    def _stretch(
        self, recording: Recording, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """Return noise (time,) as long as the wave, from the drawn place on or the next loud one."""
        total = recording_length(recording, sample_rate)
        n_samples = wave.shape[-1]
        start = int(parameters["start"] * total)
        for first in range(start, start + total, max(n_samples, 1)):
            part = read_stretch(recording, first % total, n_samples, sample_rate).astype(np.float64)
            if np.sqrt(np.square(part).mean()) > SILENCE_RMS:
                return part
        raise InputError(f"{recording.path}: this noise is silent: leave the file out of the folder of noises")


def recording_length(recording: Recording, sample_rate: int) -> int:
    """Return the samples that a recording has at a rate; InputError when it has none."""
    if recording.folder is None:
        return len(recording.load(sample_rate)[0])
    info = audio.inspect(recording.folder / recording.path)
    if info.n_samples == 0:
        raise InputError(f"{recording.path}: holds no samples: leave the file out of the folder of noises")
    return max(round(info.n_samples * sample_rate / info.sample_rate), 1)


def read_stretch(recording: Recording, start: int, n_samples: int, sample_rate: int) -> Wave:
    """Return samples (n_samples,) from `start` on, of several channels the first; a recording that ends begins again.

    Of a long file no more is read than that.
    """
    if recording.folder is None:
        sound = recording.load(sample_rate)[0]
        return sound[np.arange(start, start + n_samples) % len(sound)]
    path = recording.folder / recording.path
    info = audio.inspect(path)
    first = min(start * info.sample_rate // sample_rate, info.n_samples - 1)
    wanted = math.ceil(n_samples * info.sample_rate / sample_rate) + 1
    parts, left = [], wanted
    while left > 0:
        parts.append(audio.read(path, start=first, n_samples=min(left, info.n_samples - first)).wave[0])
        left -= len(parts[-1])
        first = 0
    stretch: Wave = audio.resample(np.concatenate(parts), from_rate=info.sample_rate, to_rate=sample_rate)[:n_samples]
    return stretch


class ReverberationConfig(Config):
    """Rooms: measured impulse responses of `folder`, or decaying noise with a reverberation time and a direct sound.

    `direct_to_reverberant_db` is the energy of the direct sound over that of all that follows; `only` keeps to some of
    the responses, by their paths in the folder.
    """

    folder: str | None = None
    only: tuple[str, ...] = ()
    rt60_s: SecondsRange = (0.2, 0.8)
    direct_to_reverberant_db: DecibelRange = (-3.0, 9.0)


class Reverberation(Augmentation):
    """Puts the speech into a room, at the same level, with the direct sound where the dry speech was.

    Source: Polack 1988 (late reverberation as exponentially decaying Gaussian noise).
    """

    Config = ReverberationConfig
    config: ReverberationConfig
    name: ClassVar[str] = "reverberation"

    def prepare(self) -> None:
        """List the responses; ConfigError when one that is asked for is not among them."""
        self._folder = Path(self.config.folder) if self.config.folder else None
        self._responses = (
            [recording.path for own in list_noises(self._folder).values() for recording in own] if self._folder else []
        )
        self._responses = sorted(_chosen(self.name, self.config.only, self._responses))

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the response and its channel, or the reverberation time, the share of the direct sound and a seed."""
        if self._folder is not None:
            path = self._responses[int(context.stream.integers(len(self._responses)))]
            n_channels = audio.inspect(self._folder / path).n_channels
            return {"path": path, "channel": int(context.stream.integers(n_channels))}
        rt60_s = _uniform(context.stream, self.config.rt60_s)
        direct = _uniform(context.stream, self.config.direct_to_reverberant_db)
        return {"rt60_s": rt60_s, "direct_to_reverberant_db": direct, "seed": int(context.stream.integers(1 << 53))}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return the reverberant samples (channels, time); the reverberation after the end is cut."""
        from scipy.signal import fftconvolve

        if self._folder is not None:
            response: NDArray[np.floating] = _measured(
                self._folder / parameters["path"], parameters["channel"], sample_rate
            )
        else:
            response = decaying_noise(
                rt60_s=parameters["rt60_s"],
                direct_to_reverberant_db=parameters["direct_to_reverberant_db"],
                seed=parameters["seed"],
                sample_rate=sample_rate,
            )
        direct = int(np.argmax(np.abs(response)))
        wet = fftconvolve(wave.astype(np.float64), response[np.newaxis], axes=-1)
        wet = wet[:, direct : direct + wave.shape[1]]
        power = np.square(wet).mean()
        level = np.sqrt(np.square(wave, dtype=np.float64).mean() / power) if power > 0 else 1.0
        reverberant: Wave = (wet * level).astype(np.float32)
        return reverberant


def decaying_noise(
    *, rt60_s: float, direct_to_reverberant_db: float, seed: int, sample_rate: int
) -> NDArray[np.float64]:
    """Return an impulse response (taps,): a direct sound of 1 and Gaussian noise that decays by 60 dB in `rt60_s`."""
    n_taps = max(round(rt60_s * sample_rate), 1)
    noise = generator(seed, "response").standard_normal(n_taps)
    tail = noise * 10 ** (-_DECAY_DB / 20 * np.arange(n_taps) / n_taps)
    tail *= 10 ** (-direct_to_reverberant_db / 20) / np.sqrt(np.square(tail).sum())
    return np.concatenate([[1.0], tail])


@lru_cache(maxsize=64)
def _measured(path: Path, channel: int, sample_rate: int) -> Wave:
    sound, rate = audio.read(path)
    response: Wave = audio.resample(sound[channel : channel + 1], from_rate=rate, to_rate=sample_rate)[0]
    if not np.any(response):
        raise InputError(f"{path}: channel {channel} of this impulse response is silent: leave the file out")
    return response


def _audible(factor: float) -> float:
    """Return a factor; ConfigError when nothing of it is left in thousandths, though it is not 1."""
    if factor != 1 and round(factor * _SPEED_STEPS) == _SPEED_STEPS:
        raise ConfigError(f"{factor!r}: speeds are thousandths, and this one comes to 1: give 0.999, 1.001 or beyond")
    return factor


class SpeedConfig(Config):
    """`factors`: 1.1 is a tenth faster and higher, in thousandths; each is as likely as any other."""

    factors: tuple[Annotated[float, Field(ge=0.25, le=4.0), AfterValidator(_audible)], ...] = Field(
        (0.9, 1.1), min_length=1, max_length=1000
    )


class Speed(Augmentation):
    """Plays faster or slower, which moves the pitch too, by resampling (Ko et al. 2015)."""

    Config = SpeedConfig
    config: SpeedConfig
    name: ClassVar[str] = "speed"
    identity: ClassVar[Mapping[str, Any] | None] = {"factors": [1.0]}

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the factor, in thousandths."""
        factor = self.config.factors[int(context.stream.integers(len(self.config.factors)))]
        return {"factor": round(factor * _SPEED_STEPS) / _SPEED_STEPS}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:  # noqa: ARG002
        """Return samples (channels, time / factor)."""
        return audio.resample(wave, from_rate=round(parameters["factor"] * _SPEED_STEPS), to_rate=_SPEED_STEPS)

    def time_scale(self, parameters: Mapping[str, Any]) -> float:
        """Return one over the factor."""
        return 1 / float(parameters["factor"])


class GainConfig(Config):
    """`gain_db`: by how much the level changes."""

    gain_db: DecibelRange = (-10.0, 6.0)


class Gain(Augmentation):
    """Makes the speech louder or quieter."""

    Config = GainConfig
    config: GainConfig
    name: ClassVar[str] = "gain"
    identity: ClassVar[Mapping[str, Any] | None] = {"gain_db": 0.0}

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the gain in decibels."""
        return {"gain_db": _uniform(context.stream, self.config.gain_db)}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:  # noqa: ARG002
        """Return the samples (channels, time) times the gain."""
        return (wave * np.float32(10 ** (parameters["gain_db"] / 20))).astype(np.float32)


def _top_hz(sample_rate: int) -> float:
    """Return the highest edge of a band in Hz."""
    return round(_BELOW_NYQUIST * sample_rate / 2, 6)


class PassBandConfig(Config):
    """The edges of the band, where the filter has fallen by 6 dB: by default about those of a telephone."""

    low_hz: HertzRange = (200.0, 400.0)
    high_hz: HertzRange = (3000.0, 3600.0)
    order: int = Field(4, ge=1, le=10)

    @model_validator(mode="after")
    def _low_below_high(self) -> PassBandConfig:
        if not 0 < self.low_hz[0] <= self.low_hz[1] < self.high_hz[0]:
            raise ConfigError(f"low_hz {self.low_hz} and high_hz {self.high_hz}: give positive edges, low below high")
        return self


class BandPass(Augmentation):
    """Keeps a band of frequencies: a Butterworth filter in both directions, which moves nothing in time."""

    Config = PassBandConfig
    config: PassBandConfig
    name: ClassVar[str] = "band_pass"

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the edges in Hz, as they are applied; ConfigError when low_hz lies above half the sample rate."""
        rate = context.utterance.sample_rate
        if self.config.low_hz[1] >= (top_hz := _top_hz(rate)):
            raise ConfigError(
                f"band_pass.low_hz {self.config.low_hz[1]:g}: at {rate} Hz bands end at {top_hz:g} Hz: set it lower"
            )
        low_hz, high_hz = _uniform(context.stream, self.config.low_hz), _uniform(context.stream, self.config.high_hz)
        return {"low_hz": low_hz, "high_hz": min(high_hz, top_hz), "order": self.config.order}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return the samples (channels, time) of the band; InputError when it lies above half the sample rate."""
        from scipy.signal import butter, sosfiltfilt

        low_hz, high_hz = parameters["low_hz"], min(parameters["high_hz"], _top_hz(sample_rate))
        if low_hz >= high_hz:
            raise InputError(f"band_pass: {low_hz:g} Hz is above half of {sample_rate} Hz: set band_pass.low_hz lower")
        sections = butter(parameters["order"], (low_hz, high_hz), "bandpass", fs=sample_rate, output="sos")
        n_pad = min(3 * (2 * len(sections) + 1), wave.shape[1] - 1)
        kept: Wave = sosfiltfilt(sections, wave.astype(np.float64), axis=-1, padlen=max(n_pad, 0)).astype(np.float32)
        return kept

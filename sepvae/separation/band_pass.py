"""Chebyshev band-pass filters of waves: zero-phase over whole signals, or causal and in blocks.

The filter behind the VAE of Do, Tran & Chau 2020, who state neither its type nor its edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae.audio import Wave
from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Hertz
from sepvae.separation.arrays import THE_MIXTURE, BlockSeparator, Reader

# The longest that a filter may ring: blocks wait for it, and sections this near to instability lose their precision.
_MAX_SETTLING_S = 60.0
# A response that has fallen so far has died away.
_LEVEL_DB = -120.0


class BandPassConfig(Config):
    """Type, order, edges and ripple of the filter.

    `chebyshev1` passes `low_hz` to `high_hz` and ripples there by `ripple_db` at most; `chebyshev2` stops what is
    outside of them by `attenuation_db` at least, so that its slopes lie inside. `order` counts poles of the low-pass it
    is made of. With `zero_phase` the filter runs forwards and backwards: no delay, and twice the attenuation in dB.
    """

    family: Literal["chebyshev1", "chebyshev2"] = "chebyshev2"
    order: int = Field(6, ge=1, le=20)
    low_hz: Hertz = 80.0
    high_hz: Hertz = 7600.0
    ripple_db: float = Field(0.5, gt=0, le=3)
    attenuation_db: float = Field(40.0, ge=10, le=120)
    zero_phase: bool = True


def design(config: BandPassConfig, *, sample_rate: int) -> NDArray[np.float64]:
    """Return the filter as second-order sections (sections, 6).

    Raises:
        ConfigError: edges that are not in order, or at or above half the sample rate, or so low or so close to each
            other that the filter rings for more than a minute.
    """
    from scipy import signal

    if config.low_hz >= config.high_hz:
        raise ConfigError(f"band-pass from {config.low_hz:g} to {config.high_hz:g} Hz: give low_hz < high_hz")
    if config.high_hz >= sample_rate / 2:
        raise ConfigError(
            f"band-pass to {config.high_hz:g} Hz at a sample rate of {sample_rate} Hz: give high_hz below "
            f"{sample_rate / 2:g} Hz"
        )
    edges = [config.low_hz, config.high_hz]
    kind: dict[str, Any] = {"btype": "bandpass", "output": "sos", "fs": sample_rate}
    if config.family == "chebyshev1":
        # What ripples twice ripples by half as much each time.
        ripple_db = config.ripple_db / 2 if config.zero_phase else config.ripple_db
        sections = np.asarray(signal.cheby1(config.order, ripple_db, edges, **kind), np.float64)
    else:
        sections = np.asarray(signal.cheby2(config.order, config.attenuation_db, edges, **kind), np.float64)
    if not _settling_samples(sections, level_db=_LEVEL_DB) <= _MAX_SETTLING_S * sample_rate:
        raise ConfigError(
            f"band-pass from {config.low_hz:g} to {config.high_hz:g} Hz of order {config.order}: it rings for more "
            f"than {_MAX_SETTLING_S:g} s: raise low_hz, widen the band, or lower the order"
        )
    return sections


def band_pass(wave: Wave, config: BandPassConfig, *, sample_rate: int) -> Wave:
    """Filter waves (…, time) float32 and return them in their shape.

    Raises:
        ConfigError: as `design`.
    """
    from scipy import signal

    sections, n_samples = design(config, sample_rate=sample_rate), wave.shape[-1]
    if wave.size == 0:
        return wave.copy()
    if not config.zero_phase:
        return np.asarray(signal.sosfilt(sections, wave.astype(np.float64)), np.float32)
    # Mirrored ends keep the start of a signal from ringing; a short one has no more to mirror than it is long.
    mirrored = min(n_samples - 1, 3 * (2 * len(sections) + 1))
    return np.asarray(signal.sosfiltfilt(sections, wave.astype(np.float64), padlen=mirrored), np.float32)


class BandPassStream:
    """The causal filter block by block: blocks of any length give what the whole gives.

    Args:
        config: the filter; `zero_phase` needs the whole signal and is refused.
        sample_rate: Hz.
        n_channels: channels of the blocks.

    Raises:
        ConfigError: as `design`, or a filter without phase.
    """

    def __init__(self, config: BandPassConfig, *, sample_rate: int, n_channels: int) -> None:
        if config.zero_phase:
            raise ConfigError("a zero-phase band-pass needs the whole signal: set zero_phase = false to filter blocks")
        self._sections = design(config, sample_rate=sample_rate)
        self._state = np.zeros((len(self._sections), n_channels, 2))

    def __call__(self, block: Wave) -> Wave:
        """Filter the next block (channels, time)."""
        from scipy import signal

        if block.shape[-1] == 0:
            return block.copy()
        filtered, self._state = signal.sosfilt(self._sections, block.astype(np.float64), zi=self._state)
        return np.asarray(filtered, np.float32)


def settling_samples(config: BandPassConfig, *, sample_rate: int, level_db: float = _LEVEL_DB) -> int:
    """Return after how many samples the impulse response stays below a level.

    Raises:
        ConfigError: as `design`.
    """
    return int(_settling_samples(design(config, sample_rate=sample_rate), level_db=level_db))


def _settling_samples(sections: NDArray[np.float64], *, level_db: float) -> float:
    """Return after how many samples the slowest pole has died away; infinity when it never does."""
    slowest = max(float(np.abs(np.roots(section[3:])).max()) for section in sections)
    return math.ceil(level_db / (20 * math.log10(slowest))) if slowest < 1 else math.inf


class BandPassed:
    """A separator with the filter behind it, block by block in bounded memory.

    The zero-phase form holds each block back until the filter's response to what follows has died away below −120 dB,
    so that blocks give what the whole gives.

    Args:
        separator: what is filtered.
        config: the filter.

    Raises:
        ConfigError: as `design`.
    """

    def __init__(self, separator: BlockSeparator, config: BandPassConfig) -> None:
        self._separator, self._config = separator, config
        self.sources, self.sample_rate = separator.sources, separator.sample_rate
        self._settling = settling_samples(config, sample_rate=self.sample_rate)

    def stream(self, read: Reader, *, n_samples: int, name: str = THE_MIXTURE) -> Iterator[dict[str, Wave]]:
        """Yield the filtered estimates (channels, block); blocks may be longer or shorter than the separator's."""
        filters: dict[str, Any] = {}
        done = 0
        for block in self._separator.stream(read, n_samples=n_samples, name=name):
            done += next(iter(block.values())).shape[-1]
            filtered = dict[str, Wave]()
            for source, wave in block.items():
                if source not in filters:
                    filters[source] = self._filter(len(wave))
                filtered[source] = filters[source](wave, last=done == n_samples)
            yield filtered

    def _filter(self, n_channels: int) -> Any:
        if self._config.zero_phase:
            return _Delayed(self._config, sample_rate=self.sample_rate, settling=self._settling)
        stream = BandPassStream(self._config, sample_rate=self.sample_rate, n_channels=n_channels)
        return lambda block, last: stream(block)  # noqa: ARG005 (a causal filter holds nothing back)


class _Delayed:
    """The zero-phase filter over a window of the signal: what came before, what is due, and what lies ahead."""

    def __init__(self, config: BandPassConfig, *, sample_rate: int, settling: int) -> None:
        self._config, self._sample_rate, self._settling = config, sample_rate, settling
        self._held: Wave | None = None
        self._n_before = 0

    def __call__(self, block: Wave, *, last: bool) -> Wave:
        """Take in the next block (channels, time) and return what is due, (channels, time)."""
        held = block if self._held is None else np.concatenate([self._held, block], axis=1)
        due = held.shape[1] if last else max(self._n_before, held.shape[1] - self._settling)
        filtered = band_pass(held, self._config, sample_rate=self._sample_rate)[:, self._n_before : due]
        start = max(0, due - self._settling)
        self._held, self._n_before = held[:, start:], due - start
        return filtered

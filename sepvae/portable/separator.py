"""PortableSeparator: what `separation.Separator` is, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sepvae.audio import Wave
from sepvae.errors import CheckpointError
from sepvae.portable.levels import Meter
from sepvae.portable.network import Network
from sepvae.portable.spectra import Floats, Stft, rumble, shares, support_samples
from sepvae.separation.arrays import THE_MIXTURE, Reader, separate_array
from sepvae.separation.voice_order import VoiceOrders

BLOCK_S = 20.0
_BLOCK_VALUES = round(BLOCK_S * 48_000 * 16)


class PortableSeparator:
    """Separates mixtures by a network that onnxruntime runs; blocks, levels and order are those of `Separator`.

    Args:
        network: a loaded graph.
    """

    def __init__(self, network: Network) -> None:
        self._network, self.facts = network, network.facts
        facts = self.facts
        self._stft = Stft(facts.window, window_samples=facts.window_samples, hop_samples=facts.hop_samples)
        self._known = dict[str, Floats]()

    @classmethod
    def load(cls, path: str | Path) -> PortableSeparator:
        """Load an ONNX file, or a model folder that has one.

        Raises:
            CheckpointError: it is missing, damaged, or no model of sepvae.
            MissingExtra: onnxruntime is not installed.
        """
        return cls(Network.load(path))

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        return self.facts.sources

    @property
    def alike(self) -> tuple[str, ...]:
        """The sources whose names mean nothing, each of which may be any talker."""
        return self.facts.alike

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the model works at."""
        return self.facts.sample_rate

    def know(self, voices: Mapping[str, Floats]) -> None:
        """Give outputs of `alike` the voices of those whom they are to be of."""
        self._known = dict(voices)

    def separate(self, wave: Any, sample_rate: int) -> dict[str, Any]:
        """Separate a mixture held in memory; arguments, results and errors as of `Separator.separate`."""
        return separate_array(self, wave, sample_rate)

    def stream(
        self,
        read: Reader,
        *,
        n_samples: int,
        name: str = THE_MIXTURE,  # noqa: ARG002 (it warns of nothing)
        block_s: float = BLOCK_S,
    ) -> Iterator[dict[str, Wave]]:
        """Yield the estimates (channels, block) of a signal that is read twice: for its level, then block by block."""
        hop, context = self._stft.hop_samples, self.facts.context_samples
        most = _BLOCK_VALUES * hop / self._stft.window_samples
        block = max(1, round(min(block_s * self.sample_rate, most) / hop)) * hop
        starts = range(0, n_samples, block)
        levels = self._levels(read, starts, n_samples=n_samples, block=block)
        orders = VoiceOrders(self.alike, sample_rate=self.sample_rate, known=self._known) if self.alike else None
        for start in starts:
            stop = min(start + block, n_samples)
            before, after = max(0, start - context), min(n_samples, stop + context)
            estimates = self._separate_block(read(before, after), levels)
            found = {name: wave[:, start - before : stop - before] for name, wave in estimates.items()}
            yield orders(found) if orders is not None else found

    def _heard(self, wave: Wave) -> Wave:
        return wave - rumble(wave, sample_rate=self.sample_rate)

    def _levels(self, read: Reader, starts: range, *, n_samples: int, block: int) -> Floats:
        """Return the level of each channel (channels, 1, 1), from the frames of the whole signal, each taken once."""
        stft, hop, around = self._stft, self._stft.hop_samples, support_samples(self.sample_rate)
        before = -(-(stft.window_samples - hop) // hop)
        meters = list[Meter]()
        for start in starts:
            stop, first = min(start + block, n_samples), max(0, start // hop - before)
            frames = slice(start // hop - first, None if stop == n_samples else stop // hop - first)
            left, right = max(0, first * hop - around), min(n_samples, stop + around)
            heard = self._heard(read(left, right))[:, first * hop - left : stop - left]
            spectra = stft.analyse(heard)[:, frames]
            meters = meters or [Meter(self.facts.normalisation, hop_ms=self.facts.hop_ms) for _ in spectra]
            for meter, channel in zip(meters, spectra, strict=True):
                meter.add(channel)
        return np.array([meter.level for meter in meters], np.float32)[:, None, None]

    def _separate_block(self, wave: Wave, levels: Floats) -> dict[str, Wave]:
        """Separate (channels, time) into waves of that shape."""
        heard = self._heard(wave)
        found = self._of_spectra(heard, levels) if self.facts.domain == "spectra" else self._of_waves(heard, levels)
        if self.facts.domain == "spectra":
            # Estimates behind masks add up to the mixture: what no network has heard is shared by all.
            found = found + (wave - heard) / np.float32(len(found))
        return dict(zip(self.sources, found, strict=True))

    def _run(self, values: Floats) -> Floats:
        """Run the network; CheckpointError when it gives what is no number, of which a mask would make equal shares."""
        found = self._network(values)
        for name, estimate in zip(self.sources, found, strict=True):
            if not np.isfinite(estimate).all():
                raise CheckpointError(f"the model of {name!r} gives NaN or infinity for this mixture: train it anew")
        return found

    def _of_spectra(self, heard: Wave, levels: Floats) -> Wave:
        spectrum = self._stft.analyse(heard)
        normalised = spectrum / levels
        parts = np.stack([normalised.real, normalised.imag], axis=-1).astype(np.float32)
        masks = shares(self._run(parts), self.facts.mask)
        waves = self._stft.synthesise(spectrum * masks[:-1], n_samples=heard.shape[-1])
        # Masks add up to one, so the last source is what the others leave of the mixture.
        return np.concatenate([waves, (heard - waves.sum(0))[None]])

    def _of_waves(self, heard: Wave, levels: Floats) -> Wave:
        scale = levels[:, 0] / np.float32(math.sqrt(self._stft.window_energy))
        return np.asarray(self._run(heard / scale) * scale, np.float32)

"""Separator: a front-end, one model per named source, and a mask; on arrays of any length, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sepvae.audio import Wave
from sepvae.devices import resolve_device
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint
from sepvae.estimator.masks import MaskKind
from sepvae.estimator.separating import Together
from sepvae.frontend.frontend import Frontend
from sepvae.frontend.levels import LevelMeter
from sepvae.frontend.old_levels import LevelDoubt
from sepvae.frontend.rumble import rumble, support_samples
from sepvae.separation.arrays import THE_MIXTURE, Reader, separate_array
from sepvae.separation.voice_order import VoiceOrders

_LOGGER = logging.getLogger(__name__)

# A block of 20 s keeps the spectra and activations of one block under 200 MB for the survey's networks.
BLOCK_S = 20.0
# Samples of a block, counted once for each window that they are in: shorter blocks at rates above 48 kHz and hops below
# a sixteenth of the window alone.
_BLOCK_VALUES = round(BLOCK_S * 48_000 * 16)


class Separator:
    """Separates mixtures into the sources whose models it holds.

    Blocks overlap by as many samples as an output sample can depend on, so the result is that of the whole file.
    Models that are fitted to the mixture (`inference`) are fitted block by block, with gains of their own in each.
    Talkers whose names mean nothing are kept in one order by their voices, which is found block by block.

    Args:
        checkpoints: one or more model folders' contents, with the same front-end and different sources.
        mask: `ratio` or `wiener`; the one stored with the models by default.
        device: where the networks run, as `sepvae.devices.resolve_device` takes it.

    Raises:
        CheckpointError: the models do not fit together, or separate by several microphones alone.
        ConfigError: no model, models that stored different masks where none is given, or a device this machine does
            not have.
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], *, mask: MaskKind | None = None, device: str = "cpu") -> None:
        if not checkpoints:
            raise ConfigError("a Separator needs at least one model folder")
        self.device = resolve_device(device)
        self._estimators = Together(
            [checkpoint.estimator.to(self.device).eval() for checkpoint in checkpoints], mask=mask
        )
        self._alike = tuple(name for checkpoint in checkpoints for name in checkpoint.config.alike)
        self._known = dict[str, Wave]()

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the models."""
        return self._estimators.sources

    @property
    def alike(self) -> tuple[str, ...]:
        """The sources whose names mean nothing, each of which may be any talker."""
        return self._alike

    def know(self, voices: Mapping[str, Wave]) -> None:
        """Give outputs of `alike` the voices, features as `VoiceFeatures` has them, of those whom they are to be of."""
        self._known = dict(voices)

    @property
    def mask(self) -> str:
        """The mask that shares the mixture out."""
        return self._estimators.mask

    @property
    def frontend(self) -> Frontend:
        """The front-end of the models."""
        return self._estimators.frontend

    @classmethod
    def load(cls, *paths: str | Path, mask: MaskKind | None = None, device: str = "cpu") -> Separator:
        """Load one or more model folders.

        Raises:
            CheckpointError: a folder is missing, incomplete, damaged, or does not fit the others.
            ConfigError: as the constructor.
        """
        return cls([load_checkpoint(path) for path in paths], mask=mask, device=device)

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the models work at."""
        return self.frontend.config.sample_rate

    def separate(self, wave: Any, sample_rate: int) -> dict[str, Any]:
        """Separate a mixture held in memory.

        Args:
            wave: (time,), (channels, time) or (batch, channels, time), floating point in [-1, 1]; NumPy or torch.
            sample_rate: Hz; must be the model's.

        Returns:
            An estimate of the shape and type of `wave` for each source; they add up to the mixture.

        Raises:
            InputError: another rate, more than three axes, integer samples, NaN or infinity.
            CheckpointError: a model gives NaN or infinity.
        """
        return separate_array(self, wave, sample_rate)

    @torch.inference_mode()
    def stream(
        self, read: Reader, *, n_samples: int, name: str = THE_MIXTURE, block_s: float = BLOCK_S
    ) -> Iterator[dict[str, Wave]]:
        """Yield the estimates (channels, block) of a signal that is read twice: for its level, then block by block.

        Args:
            read: returns samples [start, stop) of every channel, (channels, stop - start) float32.
            n_samples: length of the signal.
            name: what a warning calls it.
            block_s: length of a block in seconds, less where its spectra would be too large.
        """
        stft, context = self.frontend.stft, self._estimators.context_samples
        hop, most = stft.hop_samples, _BLOCK_VALUES * stft.hop_samples / stft.window_samples
        block = max(1, round(min(block_s * self.sample_rate, most) / hop)) * hop
        starts = range(0, n_samples, block)
        levels = self._levels(read, starts, n_samples=n_samples, block=block, name=name)
        orders = VoiceOrders(self._alike, sample_rate=self.sample_rate, known=self._known) if self._alike else None
        for start in starts:
            stop = min(start + block, n_samples)
            before, after = max(0, start - context), min(n_samples, stop + context)
            estimates = self._separate_block(torch.from_numpy(read(before, after)).to(self.device), levels)
            found = {name: wave[:, start - before : stop - before].cpu().numpy() for name, wave in estimates.items()}
            yield orders(found) if orders is not None else found

    def _levels(self, read: Reader, starts: range, *, n_samples: int, block: int, name: str) -> Tensor:
        """Return the level of each channel (channels, 1, 1), from the frames of the whole signal, each taken once."""
        frontend, stft = self.frontend, self.frontend.stft
        hop, around = stft.hop_samples, support_samples(self.sample_rate)
        before = -(-(stft.window_samples - hop) // hop)
        meters = list[LevelMeter]()
        doubt = LevelDoubt(frontend.config) if LevelDoubt.is_needed(frontend.config) else None
        for start in starts:
            stop, first = min(start + block, n_samples), max(0, start // hop - before)
            frames = slice(start // hop - first, None if stop == n_samples else stop // hop - first)
            left, right = max(0, first * hop - around), min(n_samples, stop + around)
            wave, samples = torch.from_numpy(read(left, right)).to(self.device), slice(first * hop - left, stop - left)
            spectra = stft.analyse(frontend.heard(wave)[:, samples])[:, frames]
            meters = meters or [frontend.meter() for _ in spectra]
            for meter, channel in zip(meters, spectra, strict=True):
                meter.add(channel)
            if doubt is not None:
                low = rumble(wave, sample_rate=self.sample_rate)[:, samples]
                above = wave[:, samples] - low
                energies = {"rumble": float(low.square().sum()), "rest": float(above.square().sum())}
                doubt.add(stft.analyse(above)[:, frames], **energies)
        if doubt is not None and (told := doubt.told(meters)):
            _LOGGER.warning("%s: %s", name, told)
        return torch.tensor([meter.level for meter in meters], device=self.device)[:, None, None]

    def _separate_block(self, wave: Tensor, levels: Tensor) -> dict[str, Tensor]:
        """Separate (channels, time) into waves of that shape."""
        found = self._estimators.estimate(wave, levels=levels)
        spectra = {name: item.decoded.spectrum for name, item in found.reconstructions.items()}
        for name, estimate in (spectra or found.waves).items():
            if not torch.isfinite(estimate).all():
                raise CheckpointError(f"the model of {name!r} gives NaN or infinity for this mixture: train it anew")
        return found.waves

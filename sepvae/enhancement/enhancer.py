"""Enhancer: a model of clean speech, on noisy recordings of any length, in bounded memory."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sepvae.audio import Wave
from sepvae.devices import resolve_device
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.fit import NoisyFit, fit_noisy
from sepvae.enhancement.speech_prior import SpeechPrior, check_speech_model
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint
from sepvae.estimator.masks import scale_spectrum
from sepvae.separation.arrays import THE_MIXTURE, Reader, separate_array

_LOGGER = logging.getLogger(__name__)

# Ten chains over 20 s hold 27 MB for each of their tensors; a noise that changes is followed from block to block.
BLOCK_S = 20.0
# Neighbouring blocks share this much, over which one is faded into the other.
OVERLAP_S = 0.5


class Enhancer:
    """Separates speech from noise that no model knows.

    A recording is cut into blocks of up to 20 s, each fitted by itself, with a noise model of its own; neighbours
    overlap by half a second and are faded into each other. Every channel is enhanced by itself.

    Args:
        checkpoint: model of one source, with power spectra as targets and the Itakura–Saito likelihood.
        config: how to fit.
        device: where the network runs, as `sepvae.devices.resolve_device` takes it.
        on_fit: is given the fit of every block and channel, with the trace of its objective.

    Raises:
        CheckpointError: the model is no model of clean speech.
        ConfigError: an inference that the network does not allow, or a device this machine does not have.
    """

    sources = ("speech", "noise")

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: EnhancementConfig | None = None,
        *,
        device: str = "cpu",
        on_fit: Callable[[NoisyFit], None] | None = None,
    ) -> None:
        check_speech_model(checkpoint)
        self._kind = checkpoint.config.estimator.model.kind
        self.config, self.device = config or EnhancementConfig(), resolve_device(device)
        self.frontend, self._on_fit = checkpoint.estimator.frontend, on_fit
        (model,) = checkpoint.estimator.to(self.device).eval().models.values()
        self._prior = SpeechPrior(model, self.frontend, gain=self.config.gain)
        inference = self.config.inference
        if inference.entry.moves_frames_alone and not self._prior.works_frame_by_frame:
            raise ConfigError(
                f"inference {inference.kind} moves each frame by itself, the decoder of {self._kind} works along time: "
                "choose map or langevin"
            )

    @classmethod
    def load(
        cls,
        path: str | Path,
        config: EnhancementConfig | None = None,
        *,
        device: str = "cpu",
        on_fit: Callable[[NoisyFit], None] | None = None,
    ) -> Enhancer:
        """Load a model folder; arguments as of the constructor.

        Raises:
            CheckpointError: it is missing, incomplete, damaged, or no model of clean speech.
            ConfigError: as the constructor.
        """
        return cls(load_checkpoint(path), config, device=device, on_fit=on_fit)

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the model works at."""
        return self.frontend.config.sample_rate

    def enhance(self, wave: Any, sample_rate: int) -> dict[str, Any]:
        """Enhance a recording held in memory.

        Args:
            wave: (time,), (channels, time) or (batch, channels, time), floating point in [-1, 1]; NumPy or torch.
            sample_rate: Hz; must be the model's.

        Returns:
            `speech` and `noise` of the shape and type of `wave`; they add up to it.

        Raises:
            InputError: another rate, more than three axes, integer samples, NaN or infinity.
            CheckpointError: the model gives NaN or infinity.
        """
        return separate_array(self, wave, sample_rate)

    def stream(
        self,
        read: Reader,
        *,
        n_samples: int,
        name: str = THE_MIXTURE,  # noqa: ARG002 (it warns of nothing)
        block_s: float = BLOCK_S,
    ) -> Iterator[dict[str, Wave]]:
        """Yield speech and noise (channels, block) of a signal that is read block by block.

        Args:
            read: returns samples [start, stop) of every channel, (channels, stop - start) float32.
            n_samples: length of the signal.
            name: what a warning calls it.
            block_s: longest block in seconds, what it shares with the next one aside.
        """
        hop = self.frontend.stft.hop_samples
        n_blocks = math.ceil(n_samples / max(hop, block_s * self.sample_rate))
        # Blocks of one length: a short one at the end would have too little to learn its noise from.
        block = max(1, math.ceil(n_samples / max(n_blocks, 1) / hop)) * hop
        overlap = min(round(OVERLAP_S * self.sample_rate / hop) * hop, block)
        before: Tensor | None = None
        for start in range(0, n_samples, block):
            length = min(block, n_samples - start)
            wave = torch.from_numpy(read(start, min(start + length + overlap, n_samples))).to(self.device)
            speech = torch.stack([self._enhance_channel(channel) for channel in wave])
            if before is not None:
                n_shared = before.shape[-1]
                fade = torch.linspace(0, 1, n_shared + 2, device=self.device)[1:-1]
                speech[:, :n_shared].lerp_(before, 1 - fade)
            before = speech[:, length:].clone()
            found = {"speech": speech[:, :length], "noise": wave[:, :length] - speech[:, :length]}
            yield {name: part.cpu().numpy() for name, part in found.items()}

    @torch.no_grad()
    def _enhance_channel(self, wave: Tensor) -> Tensor:
        """Return the speech in a wave (time,)."""
        spectrum = self.frontend.stft.analyse(self.frontend.heard(wave))
        normalised = scale_spectrum(spectrum, 1 / self.frontend.levels(spectrum[None])[0])
        fit = fit_noisy(self.frontend.target(normalised), self._prior, self._prior.start(normalised), self.config)
        if not torch.isfinite(fit.share).all():
            raise CheckpointError("the model of speech gives NaN or infinity for this recording: train it anew")
        _LOGGER.debug(
            "%.1f s: mean negative log-likelihood %.3f to %.3f, moves accepted: %s",
            len(wave) / self.sample_rate,
            fit.trace[0],
            fit.trace[-1],
            f"{fit.acceptance[-1]:.0%}" if fit.acceptance else "-",
        )
        if self._on_fit is not None:
            self._on_fit(fit)
        return self.frontend.stft.synthesise(scale_spectrum(spectrum, fit.share), n_samples=len(wave))

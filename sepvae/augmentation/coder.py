"""An utterance's code: its spectrum, the latents of its overlapping segments, and the vector that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae.audio import Wave
from sepvae.augmentation.latents import utterance_vector
from sepvae.augmentation.segments import cut_segments, fade_together, segment_starts
from sepvae.devices import resolve_device
from sepvae.errors import CheckpointError, InputError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint
from sepvae.estimator.speech_models import SegmentEstimator
from sepvae.frontend.features import mel_filterbank

# Segments that go through the network together: 100 s of speech, so that memory does not grow with the file.
_CHUNK = 1024
HOW_TO_TRAIN = "train one with 'sepvae train --speech --corpus CORPUS -o OUT'"


@dataclass(frozen=True)
class Code:
    """What the coder makes of one channel.

    `spectrum` (frames, bins) is complex and `level` what it was divided by; `latents` (segments, 1, latent) are the
    means of q(z|x) of segments that begin at the frames `starts`; `vector` (nuisance,) is what the utterance's segments
    share; `decoder` decodes latents to segments. What all filters of a code need is calculated once.
    """

    spectrum: Tensor
    level: float
    starts: Tensor
    latents: Tensor
    vector: NDArray[np.float32]
    n_samples: int
    decoder: Callable[[Tensor], Tensor]

    @cached_property
    def segments(self) -> Tensor:
        """The segments (segments, segment_frames, features) that the latents stand for as they are."""
        return self.decoder(self.latents)

    @cached_property
    def energy(self) -> float:
        """The sum of the squares of the spectrum."""
        return energy(self.spectrum)


def energy(spectrum: Tensor) -> float:
    """Return the sum of the squares of a complex spectrum."""
    return float(torch.view_as_real(spectrum).square().sum(dtype=torch.float64))


class SegmentCoder:
    """Speech to codes and back to features.

    Segments overlap by half, and their features fade into each other.

    Args:
        checkpoint: model of segments, of log-mel or log-power features.
        device: where the network runs, as `sepvae.devices.resolve_device` takes it.

    Raises:
        CheckpointError: a model of another kind, or of features that have no logarithm.
        ConfigError: a device this machine does not have.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: str = "cpu") -> None:
        estimator, found = checkpoint.estimator, ""
        config = estimator.config
        if not isinstance(estimator, SegmentEstimator):
            found = f"{config.model.kind} is no network of segments"
        elif len(estimator.sources) != 1:
            found = f"it is of the sources {', '.join(estimator.sources)}"
        elif config.frontend.target.kind not in ("log_mel", "log_power"):
            found = f"its target is {config.frontend.target.kind}, neither log_mel nor log_power"
        if found:
            raise CheckpointError(f"this model cannot augment speech, {found}: {HOW_TO_TRAIN}")
        self.frontend, self.device = estimator.frontend, resolve_device(device)
        self.model = cast("SegmentEstimator", estimator.to(self.device).eval()).network
        self.segment_frames: int = self.model.config.segment_frames
        self._to_bins = self._bin_weights().to(self.device)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> SegmentCoder:
        """Load a model folder; errors as of the constructor, and CheckpointError when it is missing or damaged."""
        return cls(load_checkpoint(path), device=device)

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the model works at."""
        return self.frontend.config.sample_rate

    @property
    def n_nuisance(self) -> int:
        """How many latents hold what an utterance's segments share."""
        silence = torch.zeros((1, self.segment_frames, self.frontend.input.n_features), device=self.device)
        with torch.no_grad():
            return self.model.encode(silence).mean[..., self.model.nuisance].shape[-1]

    def _bin_weights(self) -> Tensor:
        """Return the share of each feature (features, bins) in each bin: mel bands are interpolated between centres."""
        n_bins, target = self.frontend.stft.n_bins, self.frontend.target
        if target.config.kind == "log_power":
            return torch.eye(n_bins)
        filters = mel_filterbank(sample_rate=self.sample_rate, n_bins=n_bins, n_mels=target.config.n_mels).numpy()
        centres = (np.arange(n_bins) @ filters) / filters.sum(0)
        bands = np.eye(target.config.n_mels)
        weights = np.stack([np.interp(np.arange(n_bins), centres, band) for band in bands])
        return torch.from_numpy(weights.astype(np.float32))

    @torch.no_grad()
    def encode(self, wave: Wave, sample_rate: int) -> Code:
        """Return the code of one channel (time,).

        Raises:
            InputError: another rate than the model's, too short for one segment, or silent.
        """
        stft = self.frontend.stft
        if sample_rate != self.sample_rate:
            raise InputError(
                f"is sampled at {sample_rate} Hz, the model works at {self.sample_rate} Hz: resample it first"
            )
        n_frames = stft.n_frames(len(wave))
        if n_frames < self.segment_frames:
            raise InputError(
                f"is too short: {len(wave) / sample_rate:.2f} s are {n_frames} frames, the model needs "
                f"{self.segment_frames}"
            )
        samples = torch.from_numpy(np.ascontiguousarray(wave)).to(self.device)
        spectrum, heard = stft.analyse(samples), stft.analyse(self.frontend.heard(samples))
        if not bool((heard != 0).any()):
            raise InputError("is silent: there is nothing to augment")
        level = self.frontend.meter().add(heard).level
        features = self.frontend.input(heard / level)
        hop = max(1, self.segment_frames // 2)
        starts = segment_starts(n_frames, segment_frames=self.segment_frames, hop_frames=hop)
        parts = [
            self.model.encode(cut_segments(features, part, segment_frames=self.segment_frames)).mean
            for part in torch.split(starts, _CHUNK)
        ]
        latents = torch.cat(parts)
        shared = latents[:, 0, self.model.nuisance].cpu().numpy()
        vector = utterance_vector(shared, prior=self.model.nuisance_prior)
        code = cast("NDArray[np.float32]", vector)
        return Code(spectrum, level, starts, latents, code, len(wave), self.decode_segments)

    def shifted(self, code: Code, shift: NDArray[Any]) -> Tensor:
        """Return the latents (segments, 1, latent) of a code with `shift` (nuisance,) added to each segment."""
        moved = code.latents.clone()
        moved[..., self.model.nuisance] += torch.from_numpy(np.asarray(shift, np.float32)).to(self.device)
        return moved

    @torch.no_grad()
    def decode_segments(self, latents: Tensor) -> Tensor:
        """Return the segments (segments, segment_frames, features) that latents (segments, 1, latent) stand for."""
        return torch.cat([self.model.decode(part).spectrum for part in torch.split(latents, _CHUNK)])

    def decode(self, code: Code, latents: Tensor) -> Tensor:
        """Return the features (frames, features) that latents of the segments of a code stand for."""
        return fade_together(self.decode_segments(latents), code.starts, n_frames=len(code.spectrum))

    def change(self, code: Code, latents: Tensor) -> Tensor:
        """Return how much the features (frames, features) of latents lie above those of the code's own."""
        difference = self.decode_segments(latents) - code.segments
        return fade_together(difference, code.starts, n_frames=len(code.spectrum))

    def to_bins(self, features: Tensor) -> Tensor:
        """Spread features (frames, features) over the bins of the spectrum, (frames, bins)."""
        if self.frontend.target.config.kind == "log_power":
            return features
        return features @ self._to_bins

"""What is written of a record: its samples, log-mel features of them, or what the decoder of a latent method makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.augmentation.contract import Augmentation, Decoding
from sepvae.augmented.config import OutputConfig

# What a record says of the place of its features, by the names of its fields.
Frames = dict[str, int]


class Contents(ABC):
    """Makes what is written, of the samples that a chain of augmentations has made.

    `features` says that it is features and no samples; `decoded`, that the last augmentation of the chain decodes, and
    does not change the samples first.
    """

    features: ClassVar[bool] = True
    decoded: ClassVar[bool] = False

    def __init__(self, config: OutputConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate

    @abstractmethod
    def make(self, wave: Wave, last: Augmentation, parameters: Mapping[str, Any]) -> tuple[NDArray[np.float32], Frames]:
        """Return samples (channels, time), or features (frames, features) of the first channel with their place.

        Args:
            wave: samples (channels, time).
            last: the last augmentation of the chain.
            parameters: of the last augmentation.
        """


class Samples(Contents):
    """The samples themselves."""

    features: ClassVar[bool] = False

    def make(self, wave: Wave, last: Augmentation, parameters: Mapping[str, Any]) -> tuple[Wave, Frames]:
        """Return the samples (channels, time)."""
        del last, parameters
        return wave, {}


class LogMel(Contents):
    """Log-mel features of the samples."""

    @cached_property
    def _front(self) -> tuple[Any, Any]:
        from sepvae.frontend.features import FeatureConfig, Features
        from sepvae.frontend.stft import Stft, StftConfig

        stft = StftConfig(window_ms=self.config.window_ms, hop_ms=self.config.hop_ms)
        analysis = Stft(stft, sample_rate=self.sample_rate)
        kind = FeatureConfig(kind="log_mel", n_mels=self.config.n_mels)
        return analysis, Features(kind, sample_rate=self.sample_rate, n_bins=analysis.n_bins)

    def make(
        self, wave: Wave, last: Augmentation | None = None, parameters: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], Frames]:
        """Return features (frames, mels) float32 and their place.

        Example:
            >>> features, frames = LogMel(OutputConfig(n_mels=40), 16000).make(np.zeros((1, 16000), np.float32))
            >>> features.shape, frames["hop_samples"]
            ((102, 40), 160)
        """
        import torch

        del last, parameters
        stft, log_mel = self._front
        with torch.inference_mode():
            made = log_mel(stft.analyse(torch.from_numpy(np.ascontiguousarray(wave[0])))).float().numpy()
        return made, _frames(made, stft.hop_samples, stft.first_frame_centre)


class DecoderFeatures(Contents):
    """The features that the decoder of the last augmentation makes."""

    decoded: ClassVar[bool] = True

    def make(self, wave: Wave, last: Augmentation, parameters: Mapping[str, Any]) -> tuple[NDArray[np.float32], Frames]:
        """Return decoded features (frames, features) and their place."""
        decoding = cast("Decoding", last)
        made = decoding.features(wave[:1], self.sample_rate, parameters)
        return made, _frames(made, decoding.hop_samples(), decoding.first_frame_centre())


def _frames(features: NDArray[np.float32], hop_samples: int, first_frame_centre: int) -> Frames:
    return {"n_frames": len(features), "hop_samples": hop_samples, "first_frame_centre": first_frame_centre}

"""Labelled speech as a recogniser of phones sees it: log-mel features without the mean of the utterance, and phones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.corpora.records import Interval
from sepvae.frontend.features import FeatureConfig
from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.frontend.stft import StftConfig
from sepvae.limits import Scale
from sepvae.recognition.phones import Stretch, frame_labels, stretches


class SpeechConfig(Config):
    """What the recogniser sees.

    `normalisation` takes from each feature its mean over the utterance (`mean`), also divides it by its standard
    deviation (`mean_and_variance`), or leaves it as it is (`none`; the level of the utterance is always 1).
    """

    sample_rate: int = Field(16000, ge=8000, le=48000)
    n_mels: int = Field(80, ge=8, le=256)
    window_ms: float = Field(25.0, gt=0, le=100)
    hop_ms: float = Field(10.0, gt=0, le=100)
    floor: Scale = 1e-6
    normalisation: Literal["none", "mean", "mean_and_variance"] = "mean"

    def frontend(self) -> FrontendConfig:
        """Return the front-end that makes these features, of spectra at a level of 1."""
        kind = FeatureConfig(kind="log_mel", n_mels=self.n_mels, floor=self.floor)
        stft = StftConfig(window_ms=self.window_ms, hop_ms=self.hop_ms)
        # Its levels go with the mean of each feature, and filters as low as rumble are a part of what it is tested on.
        return FrontendConfig(sample_rate=self.sample_rate, stft=stft, levels="whole", input=kind, target=kind)


@dataclass(frozen=True)
class LabelledSpeech:
    """Features (frames, mels) of an utterance, the phone of each frame (frames,), and the phones one by one."""

    features: Tensor
    labels: Tensor
    phones: tuple[Stretch, ...]


class SpeechFrontend:
    """Turns waves and alignments into labelled speech."""

    def __init__(self, config: SpeechConfig) -> None:
        self.config, self._frontend = config, Frontend(config.frontend())

    def features(self, wave: NDArray[np.float32]) -> Tensor:
        """Return features (frames, mels) of a wave (time,) at a level of 1, before their mean is taken away."""
        return self._frontend.input(self._spectrum(wave) / self.level(wave))

    def level(self, wave: NDArray[np.float32]) -> float:
        """Return the level of the spectrum of a wave (time,), which its features are of a level of 1 without."""
        return self._frontend.meter().add(self._spectrum(wave)).level

    def _spectrum(self, wave: NDArray[np.float32]) -> Tensor:
        return self._frontend.stft.analyse(torch.from_numpy(np.ascontiguousarray(wave)))

    def labelled(self, features: Tensor, phones: Iterable[Interval]) -> LabelledSpeech:
        """Return speech of features (frames, mels) and an alignment in samples."""
        stft = self._frontend.stft
        n_frames = len(features)
        centres = np.arange(1, n_frames + 1) * stft.hop_samples - stft.window_samples // 2
        found = stretches(phones, centres)
        labels = torch.from_numpy(frame_labels(found, n_frames))
        return LabelledSpeech(self.normalised(features), labels, tuple(found))

    def speech(self, wave: NDArray[np.float32], phones: Iterable[Interval]) -> LabelledSpeech:
        """Return speech of a wave (time,) and an alignment in samples."""
        return self.labelled(self.features(wave), phones)

    def normalised(self, features: Tensor) -> Tensor:
        """Return features (frames, mels) without what `normalisation` takes away."""
        if self.config.normalisation == "none":
            return features
        centred = features - features.mean(0)
        if self.config.normalisation == "mean":
            return centred
        return centred / centred.std(0).clamp_min(1e-3)

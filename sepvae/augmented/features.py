"""Log-mel features of augmented speech, for those who train on features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sepvae.augmented.config import OutputConfig


class LogMel:
    """Turns samples into log-mel features.

    Example:
        >>> features = LogMel(OutputConfig(n_mels=40), 16000)(np.zeros((1, 16000), np.float32))
        >>> features.shape, features.dtype
        ((102, 40), dtype('float32'))
    """

    def __init__(self, config: OutputConfig, sample_rate: int) -> None:
        from sepvae.frontend.features import FeatureConfig, Features
        from sepvae.frontend.stft import Stft, StftConfig

        self._stft = Stft(StftConfig(window_ms=config.window_ms, hop_ms=config.hop_ms), sample_rate=sample_rate)
        kind = FeatureConfig(kind="log_mel", n_mels=config.n_mels)
        self._features = Features(kind, sample_rate=sample_rate, n_bins=self._stft.n_bins)

    @property
    def hop_samples(self) -> int:
        """The samples from one frame to the next."""
        return self._stft.hop_samples

    @property
    def first_frame_centre(self) -> int:
        """The sample in the middle of the first frame."""
        return self._stft.first_frame_centre

    def __call__(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (frames, mels) float32 of the first channel of samples (channels, time)."""
        import torch

        with torch.inference_mode():
            spectrum = self._stft.analyse(torch.from_numpy(np.ascontiguousarray(wave[0])))
            features: NDArray[np.float32] = self._features(spectrum).float().numpy()
        return features

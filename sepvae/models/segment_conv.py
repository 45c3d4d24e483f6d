"""`segment_conv`: a convolutional VAE of segments of speech (Hsu, Zhang & Glass, Interspeech 2017).

Three layers along time down to a quarter of the frames, a fully connected one, and the mirror image of that.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.segment_network import SegmentNetwork, gaussian

_TAPS = 3


class SegmentConvConfig(ModelConfig):
    """Frames of a segment, channels of the first layer (the next ones have two and four times as many), and sizes."""

    segment_frames: int = Field(20, ge=4, le=400, multiple_of=4)
    channels: int = Field(64, ge=1, le=1 << 12)
    hidden: int = Field(512, ge=1, le=1 << 14)
    latent: int = Field(64, ge=1, le=1 << 12)


def _taps(values: Tensor, stride: int) -> Tensor:
    """Lay each frame of (batch, frames, channels) beside its neighbours, every `stride`-th one; zeros lie around."""
    n_frames = values.shape[1]
    padded = nn.functional.pad(values, (0, 0, 1, 1))
    return torch.cat([padded[:, tap : tap + n_frames : stride] for tap in range(_TAPS)], dim=-1)


class _Halve(nn.Module):
    """A convolution over three frames that keeps every second one."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(_TAPS * n_in, n_out)

    def forward(self, values: Tensor) -> Tensor:
        return nn.functional.silu(self.linear(_taps(values, 2)))


class _Double(nn.Module):
    """A convolution over three frames that makes two of each."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(_TAPS * n_in, 2 * n_out)

    def forward(self, values: Tensor) -> Tensor:
        pairs = self.linear(_taps(values, 1))
        return nn.functional.silu(pairs.reshape(len(values), 2 * values.shape[1], -1))


class SegmentConv(SegmentNetwork):
    """Segments to one latent vector each, and back.

    Args:
        config: sizes.
        n_inputs: features per frame of the input; log-mel or log-power.
        n_outputs: features per frame of the output.
    """

    Config: ClassVar[type[ModelConfig]] = SegmentConvConfig

    def __init__(self, config: SegmentConvConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs=n_inputs, n_outputs=n_outputs)
        self.config = config
        narrow, n_short = config.channels, config.segment_frames // 4
        self.encoder = nn.Sequential(
            nn.Linear(n_inputs, narrow),
            nn.SiLU(),
            _Halve(narrow, 2 * narrow),
            _Halve(2 * narrow, 4 * narrow),
            nn.Flatten(),
            nn.Linear(n_short * 4 * narrow, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, 2 * config.latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, n_short * 4 * narrow),
            nn.SiLU(),
            nn.Unflatten(1, (n_short, 4 * narrow)),
            _Double(4 * narrow, 2 * narrow),
            _Double(2 * narrow, narrow),
            nn.Linear(narrow, 2 * n_outputs),
        )

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, segment_frames, n_inputs) to the posterior of (batch, 1, latent)."""
        return gaussian(self.encoder(self.standardised(features))[:, None])

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, 1, latent) to the target features (batch, segment_frames, n_outputs)."""
        return self.decoded(self.decoder(latent[:, 0]))

"""Conv-TasNet (Luo & Mesgarani 2019): the end-to-end network that mask-based systems are measured against."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sepvae.errors import ConfigError
from sepvae.limits import check_size
from sepvae.models.contract import ModelConfig
from sepvae.models.network import WaveNetwork

# The paper's best network has 64: of a block of 20 s at 16 kHz a layer keeps 80 MB then.
_MAX_VALUES = 128


class ConvTasNetConfig(ModelConfig):
    """Sizes in the paper's letters; its best network has N = 512, L = 16, B = 128, H = 512, P = 3, X = 8, R = 3.

    The defaults are smaller, about 0.9 million weights, so that a laptop trains it in minutes.
    """

    filters: int = Field(256, ge=1, le=1 << 12, description="N: filters of the encoder")
    filter_samples: int = Field(32, ge=2, le=1 << 12, description="L: samples of a filter; the hop is half of it")
    bottleneck: int = Field(64, ge=1, le=1 << 12, description="B: channels between the blocks")
    hidden: int = Field(128, ge=1, le=1 << 12, description="H: channels inside a block")
    kernel: int = Field(3, ge=1, le=31, description="P: frames of a block's convolution")
    blocks: int = Field(8, ge=1, le=12, description="X: blocks of a repeat, whose dilations double")
    repeats: int = Field(3, ge=1, le=16, description="R: repeats")

    @model_validator(mode="after")
    def _fits_in_memory(self) -> ConvTasNetConfig:
        values = 2 * max(self.filters, self.bottleneck, self.hidden) / self.filter_samples
        check_size("values for each sample", values, _MAX_VALUES, "give longer filter_samples, or fewer channels")
        return self


def global_norm(n_channels: int) -> nn.Module:
    """Return normalisation over channels and frames together (gLN, Luo & Mesgarani 2019)."""
    return nn.GroupNorm(1, n_channels, eps=1e-8)


class ConvBlock(nn.Module):
    """1 × 1 convolution, depthwise dilated convolution, and two outputs: residual and skip (§ II-C, Fig. 1C)."""

    def __init__(self, config: ConvTasNetConfig, dilation: int) -> None:
        super().__init__()
        hidden, padding = config.hidden, dilation * (config.kernel - 1) // 2
        self.inside = nn.Sequential(
            nn.Conv1d(config.bottleneck, hidden, 1),
            nn.PReLU(),
            global_norm(hidden),
            nn.Conv1d(hidden, hidden, config.kernel, dilation=dilation, padding=padding, groups=hidden),
            nn.PReLU(),
            global_norm(hidden),
        )
        self.residual = nn.Conv1d(hidden, config.bottleneck, 1)
        self.skip = nn.Conv1d(hidden, config.bottleneck, 1)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, bottleneck, frames) to the input of the next block and a part of the output of all blocks."""
        inside = self.inside(values)
        return values + self.residual(inside), self.skip(inside)


class ConvTasNet(WaveNetwork):
    """Learnt filters, a mask for each source from a stack of dilated convolutions, and learnt synthesis.

    Its global normalisation makes every output sample depend on the whole input, so separating a long recording in
    blocks is close to, and not the same as, separating it whole.

    Args:
        config: sizes.
        n_sources: number of waves it gives.
    """

    Config: ClassVar[type[ModelConfig]] = ConvTasNetConfig

    def __init__(self, config: ConvTasNetConfig, *, n_sources: int) -> None:
        super().__init__()
        if config.filter_samples % 2 or not config.kernel % 2:
            raise ConfigError(
                f"filter_samples = {config.filter_samples}, kernel = {config.kernel}: give an even number of samples "
                "and an odd kernel"
            )
        self.config, self.n_sources = config, n_sources
        self.hop = config.filter_samples // 2
        context_hops = config.repeats * (2**config.blocks - 1) * (config.kernel // 2)
        self.context_samples = context_hops * self.hop + config.filter_samples
        self.encoder = nn.Conv1d(1, config.filters, config.filter_samples, stride=self.hop, bias=False)
        self.enter = nn.Sequential(global_norm(config.filters), nn.Conv1d(config.filters, config.bottleneck, 1))
        dilations = [2**number for _ in range(config.repeats) for number in range(config.blocks)]
        self.blocks = nn.ModuleList(ConvBlock(config, dilation) for dilation in dilations)
        # As in the paper the last block has it too, and no block comes after it.
        self.apart = (f"blocks.{len(dilations) - 1}.residual",)
        self.to_masks = nn.Sequential(
            nn.PReLU(), nn.Conv1d(config.bottleneck, n_sources * config.filters, 1), nn.Sigmoid()
        )
        self.decoder = nn.ConvTranspose1d(config.filters, 1, config.filter_samples, stride=self.hop, bias=False)

    def forward(self, mixture: Tensor) -> Tensor:
        """Map mixtures (batch, time) to waves (n_sources, batch, time)."""
        n_samples = mixture.shape[-1]
        # Every sample lies under two filters, as inside the signal.
        n_frames = -(-n_samples // self.hop) + 1
        padded = nn.functional.pad(mixture, (self.hop, n_frames * self.hop - n_samples))
        filtered = torch.relu(self.encoder(padded[:, None]))
        values: Tensor = self.enter(filtered)
        skips = torch.zeros_like(values)
        for block in self.blocks:
            values, skip = block(values)
            skips = skips + skip
        masks = self.to_masks(skips).unflatten(1, (self.n_sources, -1))
        # (batch, sources, filters, frames) -> (batch · sources, filters, frames)
        separated = (masks * filtered[:, None]).flatten(0, 1)
        waves = self.decoder(separated)[:, 0, self.hop : self.hop + n_samples]
        return cast("Tensor", waves.unflatten(0, (-1, self.n_sources)).transpose(0, 1))

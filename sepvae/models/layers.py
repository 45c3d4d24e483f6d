"""Layers along time that several networks share; all tensors (batch, channels, frames)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

_EPSILON = 1e-5


class FrameNorm(nn.Module):
    """Layer normalisation of each frame over its channels: no frame depends on another, and none on the batch.

    Source: Ba et al. 2016; the "channel-wise" normalisation of Luo & Mesgarani 2019.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels, 1))
        self.shift = nn.Parameter(torch.zeros(n_channels, 1))

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (batch, channels, frames)."""
        centred = values - values.mean(1, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + _EPSILON) * self.scale + self.shift


class GatedBlock(nn.Module):
    """A residual block: norm, dilated convolution along time, gated linear unit, 1 × 1 convolution.

    Source: Dauphin et al. 2017, Eq. (1), with the dilations of van den Oord et al. 2016.
    """

    def __init__(self, n_channels: int, *, dilation: int, kernel: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.reach = dilation * (kernel // 2)
        self.norm = FrameNorm(n_channels)
        self.gated = nn.Conv1d(n_channels, 2 * n_channels, kernel, dilation=dilation, padding=self.reach)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Conv1d(n_channels, n_channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, channels, frames) to the same shape."""
        opened = nn.functional.glu(self.gated(self.norm(values)), dim=1)
        return cast("Tensor", values + self.out(self.dropout(opened)))


class GatedStack(nn.Sequential):
    """Gated blocks whose dilations double over and over from 1 to 2^(cycle - 1), and a norm behind them."""

    def __init__(self, n_channels: int, *, blocks: int, cycle: int, dropout: float) -> None:
        stack = [GatedBlock(n_channels, dilation=2 ** (i % cycle), dropout=dropout) for i in range(blocks)]
        super().__init__(*stack, FrameNorm(n_channels))
        self.reach = sum(block.reach for block in stack)

"""A demixing algorithm of one's own: a talker keeps a loudness for a few frames, which short recordings need.

sepvae demix talk.wav -o out --algorithm block_iva --set frames=5 --plugin docs/examples/block_iva.py
"""

import torch
from pydantic import Field

import sepvae
from sepvae.demixing.algorithm import BlindConfig, DemixingAlgorithm
from sepvae.demixing.auxiva import AuxIvaVariances


class BlockVariances(AuxIvaVariances):
    """Gaussians that have one variance in all bins of some frames."""

    def __init__(self, n_frames: int) -> None:
        super().__init__("gauss")
        self.n_frames = n_frames

    def variances(self, power: torch.Tensor) -> torch.Tensor:
        return torch.cat([b.mean(-1, True).expand_as(b) for b in super().variances(power).split(self.n_frames, -1)], -1)


class BlockIvaConfig(BlindConfig):
    """How many `frames` have one loudness, the demixing and the STFT."""

    frames: int = Field(3, ge=1, le=1000)


class BlockIva(DemixingAlgorithm):
    """A talker is what comes and goes together, a few frames at a time."""

    Config, label = BlockIvaConfig, "Block IVA"

    def variances(self, n_batch: int, speakers: torch.Tensor | None) -> BlockVariances:
        return BlockVariances(self.config.frames)


sepvae.register("algorithm", "block_iva", BlockIva)

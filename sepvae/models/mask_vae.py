"""`mask_vae`: one stack of convolutions over time, from a mixture to the share that each source has in every bin.

For any number of sources of one kind, such as two talkers of any sex: the shares of a bin add up to one by themselves,
so nothing is learnt of the spectrum of a source alone. With a latent between encoder and decoder it is a VAE of the
shares; without one it is the network of mask-based separation (Kolbaek et al. 2017).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior, Reconstruction, Sampler
from sepvae.models.layers import GatedStack
from sepvae.models.network import JointNetwork

_LOG_VARIANCE_LIMIT = 10.0
# Added before the compression, whose slope at 0 is infinite: −100 dB of the normalised spectrum.
_FLOOR = 1e-5
# Added before the logarithm: 60 dB below the level of the mixture a room or a microphone is heard, and no voice.
_AUDIBLE = 1e-3


class MaskVaeConfig(ModelConfig):
    """Channels and depth of encoder and decoder, and latents per frame (0 for none: no VAE).

    Dilations run 1, 2, 4, … to 2^(dilation_cycle - 1) and start again. `cepstrum` adds that many cepstral coefficients
    behind the first `cepstrum_from` to the magnitudes: where they peak is the period of a voice. Magnitudes are raised
    to the power `compression`.
    """

    hidden: int = Field(256, ge=1, le=1 << 12)
    latent: int = Field(128, ge=0, le=1 << 12)
    encoder_blocks: int = Field(9, ge=1, le=64)
    decoder_blocks: int = Field(3, ge=0, le=64)
    dilation_cycle: int = Field(6, ge=1, le=10)
    compression: float = Field(0.5, gt=0, le=1)
    cepstrum: int = Field(256, ge=0, le=1 << 12)
    cepstrum_from: int = Field(24, ge=0, le=1 << 12)
    dropout: float = Field(0.0, ge=0, lt=1)


class MaskVae(JointNetwork):
    """Magnitudes of the mixture to the share of each source in each bin.

    What it gives as the spectrum of a source are its shares, so that the mask `ratio` of them is just these.

    Args:
        config: sizes.
        n_inputs: features per frame of the mixture, non-negative.
        n_outputs: bins per frame.
        sources: their names.
    """

    Config: ClassVar[type[ModelConfig]] = MaskVaeConfig
    takes_roots: ClassVar[bool] = True
    gives_shares: ClassVar[bool] = True

    def __init__(self, config: MaskVaeConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.sources = config, sources
        self.cepstrum = Cepstrum(n_inputs, start=config.cepstrum_from, count=config.cepstrum)
        cycle, dropout = config.dilation_cycle, config.dropout
        self.to_hidden = nn.Linear(n_inputs + self.cepstrum.count, config.hidden)
        self.encoder = GatedStack(config.hidden, blocks=config.encoder_blocks, cycle=cycle, dropout=dropout)
        self.context_frames = self.encoder.context_frames
        if config.latent:
            self.to_posterior = nn.Linear(config.hidden, 2 * config.latent)
            self.from_latent = nn.Linear(config.latent, config.hidden)
        self.decoder: nn.Module = nn.Identity()
        if config.decoder_blocks:
            decoder = GatedStack(config.hidden, blocks=config.decoder_blocks, cycle=cycle, dropout=dropout)
            self.context_frames += decoder.context_frames
            self.decoder = decoder
        self.to_shares = nn.Linear(config.hidden, n_outputs * len(sources))

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames, n_inputs) to q(z|x), (batch, frames, latent), or to hidden values."""
        precision = self.to_hidden.weight.dtype
        logarithms = (features + _AUDIBLE).log()
        seen = torch.cat([(features + _FLOOR).pow(self.config.compression), self.cepstrum(logarithms)], dim=-1)
        hidden: Tensor = self.encoder(self.to_hidden(seen).to(precision))
        if not self.config.latent:
            return Posterior(hidden, None)
        mean, log_variance = self.to_posterior(hidden).to(precision).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT))

    def decode(self, latent: Tensor) -> dict[str, Decoded]:
        """Map latents (batch, frames, latent) to the shares (batch, frames, n_outputs) of each source."""
        hidden = self.from_latent(latent).to(latent.dtype) if self.config.latent else latent
        scores = self.to_shares(self.decoder(hidden)).to(latent.dtype)
        shares = torch.stack(scores.chunk(len(self.sources), dim=-1)).softmax(0)
        return {name: Decoded(share, None) for name, share in zip(self.sources, shares, strict=True)}

    def reconstruct(self, features: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Encode the mixture, draw the latents that all sources share, and decode them."""
        posterior = self.encode(features)
        latent = sample(posterior)
        return {name: Reconstruction(posterior, None, latent, one) for name, one in self.decode(latent).items()}


class Cepstrum(nn.Module):
    """Log-magnitudes (…, bins) to the real cepstrum at `count` quefrencies from `start` on; those that are there."""

    cosines: Tensor

    def __init__(self, n_bins: int, *, start: int, count: int) -> None:
        super().__init__()
        cosines = cepstral_cosines(n_bins, start=start, count=count)
        self.n_bins, self.start, self.count = n_bins, start, cosines.shape[1]
        # Computed, not learnt: no part of the stored weights.
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, logarithms: Tensor) -> Tensor:
        """Return (…, count)."""
        return logarithms @ self.cosines


def cepstral_cosines(n_bins: int, *, start: int, count: int) -> Tensor:
    """Return (bins, count): log-magnitudes times these are the real cepstrum at quefrencies from `start` on.

    A quefrency counts samples. The longest that n_bins tell apart is n_bins − 1: what lies behind is left out.
    """
    quefrencies = np.arange(n_bins)[start : start + count]
    weights = np.full((n_bins, 1), 2.0)
    # The first and the last bin of a real spectrum have no counterpart at a negative frequency.
    weights[0], weights[-1] = 1.0, 1.0
    angles = np.arange(n_bins)[:, None] * quefrencies * (math.pi / max(1, n_bins - 1))
    # By the root of the length: of white noise the coefficients are then as large as the log-magnitudes. Not by torch,
    # which on the device `meta`, where a model folder is checked, imports a second's worth of its compiler for this.
    found = weights * np.cos(angles) / math.sqrt(2 * max(1, n_bins - 1))
    return torch.from_numpy(found.astype(np.float32))

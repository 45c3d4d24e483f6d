"""A small VAE of power spectrograms whose frames know of their neighbours: gated convolutions along time.

The kind of network of MVAE (Kameoka et al. 2019): frequency as channels, a latent sequence, a decoder that gives the
log-variance of every bin; with a norm of each frame for the batch norm there, which is another network at separation.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.layers import GatedStack
from sepvae.models.network import SourceNetwork

# exp(±14) is ±61 dB around the level of the file: no bin of speech is further away.
_LOG_LIMIT = 14.0
_LOG_VARIANCE_LIMIT = 10.0


class ConvTimeVaeConfig(ModelConfig):
    """Sizes: channels, latents per frame, and gated blocks, whose dilations double, of encoder and decoder."""

    hidden: int = Field(96, ge=1, le=1 << 14)
    latent: int = Field(16, ge=1, le=1 << 14)
    encoder_blocks: int = Field(2, ge=1, le=16)
    decoder_blocks: int = Field(2, ge=1, le=16)


class ConvTimeVae(SourceNetwork):
    """Features to a latent sequence at their frame rate, and latents to variances.

    Args:
        config: sizes.
        n_inputs: features per frame of the input; log-powers suit it.
        n_outputs: bins of the output.
    """

    Config: ClassVar[type[ModelConfig]] = ConvTimeVaeConfig

    def __init__(self, config: ConvTimeVaeConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config

        def stack(blocks: int) -> GatedStack:
            return GatedStack(config.hidden, blocks=blocks, cycle=blocks, dropout=0.0)

        self.encoder_in, self.encoder = nn.Linear(n_inputs, config.hidden), stack(config.encoder_blocks)
        self.to_posterior = nn.Linear(config.hidden, 2 * config.latent)
        self.decoder_in, self.decoder = nn.Linear(config.latent, config.hidden), stack(config.decoder_blocks)
        self.to_log_spectrum = nn.Linear(config.hidden, n_outputs)
        self.context_frames = self.encoder.context_frames

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to q(z|x), (batch, frames, latent)."""
        hidden = self.encoder(self.encoder_in(features))
        hidden = hidden[:, self.context_frames : hidden.shape[1] - self.context_frames]
        mean, log_variance = self.to_posterior(hidden).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to powers (batch, frames, n_outputs); silence lies around them."""
        log_spectrum = self.to_log_spectrum(self.decoder(self.decoder_in(latent)))
        return Decoded(log_spectrum.clamp(-_LOG_LIMIT, _LOG_LIMIT).exp(), None)

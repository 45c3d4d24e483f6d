"""`temporal_vae`: one convolutional encoder over time for the mixture, a latent and a decoder for each source.

The toolkit's own model for known classes of speakers: a VAE whose frames see about a second of their surroundings.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior, Reconstruction, Sampler
from sepvae.models.layers import GatedStack
from sepvae.models.network import JointNetwork

# exp(±10) spans 87 dB in power: wide enough for any posterior, and far from overflow.
_LOG_VARIANCE_LIMIT = 10.0
# Added before the compression, whose slope at 0 is infinite: −100 dB of the normalised spectrum.
_FLOOR = 1e-5


class TemporalVaeConfig(ModelConfig):
    """Channels and depth of encoder and decoders, latents per source and frame.

    Dilations run 1, 2, 4, … to 2^(dilation_cycle - 1) and start again. `compression` is the power that magnitudes are
    raised to before the first layer. With `shared_latent` every decoder is given the latents of all sources, as many in
    all: one latent of the mixture in place of one for each source.
    """

    hidden: int = Field(256, ge=1, le=1 << 12)
    latent: int = Field(64, ge=1, le=1 << 12)
    encoder_blocks: int = Field(8, ge=1, le=64)
    decoder_blocks: int = Field(3, ge=0, le=64)
    dilation_cycle: int = Field(4, ge=1, le=10)
    compression: float = Field(0.5, gt=0, le=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    shared_latent: bool = False


class TemporalVae(JointNetwork):
    """Magnitudes of the mixture to a latent sequence for each source, and each of these to the source's magnitudes.

    Args:
        config: sizes.
        n_inputs: features per frame of the mixture, non-negative.
        n_outputs: features per frame of a source, non-negative.
        sources: their names.
    """

    Config: ClassVar[type[ModelConfig]] = TemporalVaeConfig
    takes_roots: ClassVar[bool] = True

    def __init__(self, config: TemporalVaeConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.sources = config, sources

        def stack(blocks: int) -> GatedStack:
            return GatedStack(config.hidden, blocks=blocks, cycle=config.dilation_cycle, dropout=config.dropout)

        self.to_hidden = nn.Linear(n_inputs, config.hidden)
        self.encoder = stack(config.encoder_blocks)
        self.to_posterior = nn.Linear(config.hidden, 2 * config.latent * len(sources))
        n_given = config.latent * (len(sources) if config.shared_latent else 1)
        self.from_latent = nn.ModuleList(nn.Linear(n_given, config.hidden) for _ in sources)
        self.decoders = nn.ModuleList(stack(config.decoder_blocks) for _ in sources)
        self.to_spectrum = nn.ModuleList(nn.Linear(config.hidden, n_outputs) for _ in sources)
        self.context_frames = self.encoder.context_frames + cast("GatedStack", self.decoders[0]).context_frames

    def encode(self, features: Tensor) -> dict[str, Posterior]:
        """Map features (batch, frames, n_inputs) to q(z|x) of each source, (batch, frames, latent)."""
        compressed = (features + _FLOOR).pow(self.config.compression)
        # The residual path and what leaves the network have the precision of the weights, whatever convolutions use.
        precision = self.to_hidden.weight.dtype
        hidden = self.encoder(self.to_hidden(compressed).to(precision))
        parts = self.to_posterior(hidden).to(precision)
        posteriors = {}
        for name, part in zip(self.sources, parts.chunk(len(self.sources), dim=-1), strict=True):
            mean, log_variance = part.chunk(2, dim=-1)
            posteriors[name] = Posterior(mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT))
        return posteriors

    def decode(self, source: str, latent: Tensor) -> Decoded:
        """Map latents of a source, (batch, frames, latent), or of all, to its features (batch, frames, n_outputs)."""
        number = self.sources.index(source)
        hidden = self.decoders[number](self.from_latent[number](latent).to(latent.dtype))
        spectrum = nn.functional.softplus(self.to_spectrum[number](hidden).to(latent.dtype))
        return Decoded(spectrum, None)

    def reconstruct(self, features: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Encode the mixture, draw the latents of each source and decode them."""
        posteriors = self.encode(features)
        latents = {name: sample(posterior) for name, posterior in posteriors.items()}
        if self.config.shared_latent:
            latents = dict.fromkeys(self.sources, torch.cat(list(latents.values()), dim=-1))
        return {
            name: Reconstruction(posterior, None, latents[name], self.decode(name, latents[name]))
            for name, posterior in posteriors.items()
        }

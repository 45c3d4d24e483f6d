"""The generator of Subakan & Smaragdis 2018 (GASS): one hidden layer from a latent to a spectrum, frame by frame.

Trained as an autoencoder (maximum likelihood) or against a critic; a separator fits its latents to a mixture.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.network import SourceNetwork


class GeneratorConfig(ModelConfig):
    """Layer sizes; those of the paper are 100 hidden units, as many latents as bins, and a critic of 90 units.

    `encoder`: `none`, a latent is drawn from the prior N(0, I) whatever the features are; `identity`, the features are
    the latent (needs `latent` None, as many as features); `dense`, one hidden layer from features to latent.
    `latent` None is one latent per feature. `critic` counts the critic's hidden units, 0 for a network without one.
    """

    encoder: Literal["none", "identity", "dense"] = "none"
    latent: int | None = Field(None, ge=1, le=1 << 16)
    hidden: int = Field(100, ge=1, le=1 << 16)
    critic: int = Field(0, ge=0, le=1 << 16)


class Generator(SourceNetwork):
    """Latent → hidden (softplus) → spectrum (softplus); with a critic of spectra where the config asks for one.

    Args:
        config: layer sizes.
        n_inputs: features per frame of the input.
        n_outputs: features per frame of the output.
    """

    Config: ClassVar[type[ModelConfig]] = GeneratorConfig
    context_frames = 0

    def __init__(self, config: GeneratorConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config
        self.n_latent = n_inputs if config.latent is None or config.encoder == "identity" else config.latent
        self.encoder: nn.Module | None = None
        if config.encoder == "dense":
            self.encoder = nn.Sequential(
                nn.Linear(n_inputs, config.hidden), nn.Softplus(), nn.Linear(config.hidden, self.n_latent)
            )
        self.decoder = nn.Sequential(
            nn.Linear(self.n_latent, config.hidden), nn.Softplus(), nn.Linear(config.hidden, n_outputs), nn.Softplus()
        )
        self.critic: nn.Module | None = None
        if config.critic:
            # No batch norm: it would tie the penalty of a frame's gradient to the other frames (Gulrajani et al. 2017).
            self.critic = nn.Sequential(nn.Linear(n_outputs, config.critic), nn.Softplus(), nn.Linear(config.critic, 1))

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames, n_inputs) to q(z|x), (batch, frames, latent); the prior without an encoder."""
        if self.config.encoder == "identity":
            return Posterior(features, None)
        if self.encoder is not None:
            return Posterior(self.encoder(features), None)
        mean = features.new_zeros((*features.shape[:-1], self.n_latent))
        return Posterior(mean, torch.zeros_like(mean))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to spectra (batch, frames, n_outputs)."""
        return Decoded(self.decoder(latent), None)

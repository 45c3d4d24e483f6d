"""The frame-wise, fully connected VAE of the survey (Singh & Ogunfunmi, Entropy 2022, §8)."""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from sepvae.models import ACTIVATIONS, OUTPUTS
from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.network import SourceNetwork

# exp(±10) spans 87 dB in power: wide enough for speech, narrow enough that no likelihood overflows float32.
LOG_VARIANCE_LIMIT = 10.0
# exp(±14) is ±61 dB in power around the level of the file: no bin of speech is further away.
_LOG_POWER_LIMIT = 14.0


class Exp(nn.Module):
    """From log-powers to powers, within what speech has."""

    def forward(self, values: Tensor) -> Tensor:
        """Map log-powers of any shape to powers."""
        return values.clamp(-_LOG_POWER_LIMIT, _LOG_POWER_LIMIT).exp()


class DenseVaeConfig(ModelConfig):
    """Layer sizes; the defaults are the survey's encoder [M, 256, 256, 128] and decoder [256, 256, M].

    `deterministic` makes the posterior a point, as autoencoders other than variational ones have it.
    `output` `exp` takes what the last layer gives as log-powers, as models of variances have it.
    `dropout` zeroes that share of the hidden units in training (Srivastava et al. 2014).
    """

    hidden: tuple[Annotated[int, Field(ge=1, le=1 << 16)], ...] = Field((256, 256), min_length=1, max_length=64)
    latent: int = Field(128, ge=1, le=1 << 16)
    context_frames: int = Field(0, ge=0, le=64)
    activation: Annotated[str, ACTIVATIONS] = "relu"
    output: Annotated[str, OUTPUTS] = "softplus"
    learned_variance: bool = False
    deterministic: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)


def _stack(sizes: list[int], activation: type[nn.Module], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*layers)


class DenseVae(SourceNetwork):
    """Each frame, with its context, to a latent and back to the frame of the source.

    Args:
        config: layer sizes.
        n_inputs: features per frame of the input.
        n_outputs: features per frame of the output.
    """

    Config: ClassVar[type[ModelConfig]] = DenseVaeConfig

    def __init__(self, config: DenseVaeConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config, self.context_frames = config, config.context_frames
        activation = ACTIVATIONS.resolve(config.activation)
        window = 2 * config.context_frames + 1
        self.encoder = _stack([n_inputs * window, *config.hidden], activation, config.dropout)
        self.to_posterior = nn.Linear(config.hidden[-1], config.latent * (1 if config.deterministic else 2))
        self.decoder = _stack([config.latent, *reversed(config.hidden)], activation, config.dropout)
        self.to_spectrum = nn.Linear(config.hidden[0], n_outputs)
        self.to_log_variance = nn.Linear(config.hidden[0], n_outputs) if config.learned_variance else None
        self.output = OUTPUTS.resolve(config.output)()

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to q(z|x), (batch, frames, latent)."""
        if self.context_frames:
            # (batch, frames, n_inputs, window) -> one row per frame, the frames of its context side by side
            windows = features.unfold(1, 2 * self.context_frames + 1, 1)
            features = windows.transpose(-1, -2).flatten(-2)
        if self.config.deterministic:
            return Posterior(self.to_posterior(self.encoder(features)), None)
        mean, log_variance = self.to_posterior(self.encoder(features)).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to the target features (batch, frames, n_outputs)."""
        hidden = self.decoder(latent)
        log_variance: Tensor | None = None
        if self.to_log_variance is not None:
            log_variance = self.to_log_variance(hidden).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        spectrum: Tensor = self.output(self.to_spectrum(hidden))
        return Decoded(spectrum, log_variance)

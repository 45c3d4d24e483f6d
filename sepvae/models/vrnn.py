"""`vrnn`: a variational recurrent network from the mixture to one source, with a prior that is learnt along time.

After Chung et al. 2015, whose posterior sees the frame that is to be made; Chien & Kuo 2017, for separation, show it
mixture and targets in training. Here it sees the mixture alone, in training as in use.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior, Reconstruction, Sampler, most_likely
from sepvae.models.network import SourceNetwork

_LOG_VARIANCE_LIMIT = 10.0


class VrnnConfig(ModelConfig):
    """Sizes, and how many frames before a block the state is warmed up with."""

    hidden: int = Field(128, ge=1, le=1 << 12)
    latent: int = Field(32, ge=1, le=1 << 12)
    warm_up_frames: int = Field(16, ge=0, le=256)
    dropout: float = Field(0.0, ge=0, lt=1)


class Vrnn(SourceNetwork):
    """A state h is carried along time by a gated recurrent unit of the mixture's frame and its latent.

    The prior of z_t follows from h_{t−1}, its posterior from the mixture's frame and h_{t−1} and not from the source's
    frame, the source from z_t and h_{t−1}.

    The state starts at nothing `context_frames` before the first frame, so that a block with that much context gives
    what the whole gives: memory is bounded. What `decode` takes as latent is z_t beside h_{t−1}.

    Args:
        config: sizes.
        n_inputs: features per frame of the mixture.
        n_outputs: features per frame of the source.

    Source: Chung et al. 2015, Eqs. (5) to (9), with the mixture in place of x_t in the state and the posterior.
    """

    Config: ClassVar[type[ModelConfig]] = VrnnConfig

    def __init__(self, config: VrnnConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config, self.context_frames = config, config.warm_up_frames
        hidden, latent = config.hidden, config.latent
        self.from_mixture = nn.Sequential(
            nn.Linear(n_inputs, hidden), nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.to_prior = nn.Linear(hidden, 2 * latent)
        self.to_posterior = nn.Linear(2 * hidden, 2 * latent)
        self.cell = nn.GRUCell(hidden + latent, hidden)
        self.decoder = nn.Sequential(
            nn.Linear(latent + hidden, hidden), nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(hidden, n_outputs)
        )

    def _run(self, features: Tensor, sample: Sampler) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and log-variance of the posteriors, and latents beside states, the warm-up cut off."""
        inputs = self.from_mixture(features)
        # The part of the posterior that does not wait for the state, for all frames at once.
        ahead = nn.functional.linear(inputs, self.to_posterior.weight[:, : self.config.hidden], self.to_posterior.bias)
        from_state = self.to_posterior.weight[:, self.config.hidden :]
        state = inputs.new_zeros(len(inputs), self.config.hidden)
        steps: list[tuple[Tensor, Tensor, Tensor]] = []
        for frame, known in zip(inputs.unbind(1), ahead.unbind(1), strict=True):
            mean, log_variance = _gaussian(known + nn.functional.linear(state, from_state))
            latent = sample(Posterior(mean, log_variance))
            steps.append((mean, log_variance, torch.cat([latent, state], dim=-1)))
            state = self.cell(torch.cat([frame, latent], dim=-1), state)
        # The frames after the segment, which other networks look ahead to, are of no use here.
        inside = slice(self.context_frames, features.shape[1] - self.context_frames)
        mean, log_variance, latent = (torch.stack(kept, dim=1)[:, inside] for kept in zip(*steps, strict=True))
        return mean, log_variance, latent

    def encode(self, features: Tensor) -> Posterior:
        """Map features to the posterior of latents beside states, (batch, frames, latent + hidden).

        States are known once the latents before them are: they have next to no variance. Latents are most likely ones.
        """
        _, log_variance, latent = self._run(features, most_likely)
        certain = torch.full_like(latent[..., self.config.latent :], -_LOG_VARIANCE_LIMIT)
        return Posterior(latent, torch.cat([log_variance, certain], dim=-1))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents beside states (batch, frames, latent + hidden) to the source (batch, frames, n_outputs)."""
        return Decoded(nn.functional.softplus(self.decoder(latent)), None)

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Draw the latents one frame after the other, each with the state that those before it have led to."""
        mean, log_variance, latent = self._run(features, sample)
        prior = Posterior(*_gaussian(self.to_prior(latent[..., self.config.latent :])))
        return Reconstruction(Posterior(mean, log_variance), prior, latent, self.decode(latent))


def _gaussian(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and limited log-variance."""
    mean, log_variance = parameters.chunk(2, dim=-1)
    return mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)

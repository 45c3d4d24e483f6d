"""`fhvae`: latents of a segment beside latents of its sequence (Hsu, Zhang & Glass, NIPS 2017).

z1 is what changes along an utterance, z2 what stays the same in it: p(z2) is centred at a vector of the sequence.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.limits import MAX_STEPS
from sepvae.models.contract import Decoded, ModelConfig, Posterior, Reconstruction, Sampler, most_likely
from sepvae.models.network import TrainingFacts
from sepvae.models.segment_lstm import last_states
from sepvae.models.segment_network import SequenceNetwork, gaussian

# Variance of z2 around the vector of its sequence, whose own variance is 1.
SEQUENCE_VARIANCE = 0.25


class FhvaeConfig(ModelConfig):
    """Frames of a segment, layers and units of its three networks, and latents of segment and sequence.

    `sequences` counts the utterances trained on, each with a vector of its own; the training fills it in when it is 0.
    """

    segment_frames: int = Field(20, ge=1, le=400)
    layers: int = Field(1, ge=1, le=8)
    hidden: int = Field(256, ge=1, le=1 << 14)
    latent: int = Field(32, ge=1, le=1 << 12)
    sequence_latent: int = Field(32, ge=1, le=1 << 12)
    sequences: int = Field(0, ge=0, le=MAX_STEPS)


class Fhvae(SequenceNetwork):
    """q(z2|x), q(z1|x, z2) and p(x|z1, z2), each an LSTM; its latents are z1 and behind them z2.

    Args:
        config: sizes.
        n_inputs: features per frame of the input; log-mel or log-power.
        n_outputs: features per frame of the output.

    Source: Hsu et al. 2017 (NIPS).
    """

    Config: ClassVar[type[ModelConfig]] = FhvaeConfig
    nuisance_prior = SEQUENCE_VARIANCE
    apart = ("table",)

    def __init__(self, config: FhvaeConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs=n_inputs, n_outputs=n_outputs)
        self.config = config
        self.nuisance = slice(config.latent, None)
        n_latent, n_sequence = config.latent, config.sequence_latent

        def recurrent(n_in: int) -> nn.LSTM:
            return nn.LSTM(n_in, config.hidden, num_layers=config.layers, batch_first=True)

        self.sequence_encoder, self.encoder = recurrent(n_inputs), recurrent(n_inputs + n_sequence)
        self.decoder = recurrent(n_latent + n_sequence)
        self.to_sequence_posterior = nn.Linear(config.layers * config.hidden, 2 * n_sequence)
        self.to_posterior = nn.Linear(config.layers * config.hidden, 2 * n_latent)
        self.to_frame = nn.Linear(config.hidden, 2 * n_outputs)
        self.table: nn.Parameter | None = None
        if config.sequences:
            # Three axes: Muon is for matrices that multiply something, and this one is looked up.
            self.table = nn.Parameter(torch.zeros(config.sequences, 1, n_sequence))

    @classmethod
    def settings_from(cls, config: Any, facts: TrainingFacts) -> dict[str, Any]:
        """Return how many vectors there are to learn, where it is not given."""
        return {} if config.sequences else {"sequences": facts.n_items}

    @property
    def sequence_vectors(self) -> Tensor | None:
        """Vectors (sequences, sequence_latent) of the sequences trained on, in the order of the training items."""
        return None if self.table is None else self.table[:, 0]

    def _infer(self, features: Tensor, sample: Sampler) -> tuple[Posterior, Tensor]:
        """Return q(z1, z2|x) and a draw of it, both (batch, 1, latent + sequence_latent)."""
        inputs = self.standardised(features)
        of_sequence = gaussian(self.to_sequence_posterior(last_states(self.sequence_encoder, inputs)))
        drawn = sample(of_sequence)
        beside = torch.cat([inputs, drawn.expand(-1, inputs.shape[1], -1)], dim=-1)
        of_segment = gaussian(self.to_posterior(last_states(self.encoder, beside)))
        mean, log_variance = (torch.cat(pair, dim=-1) for pair in zip(of_segment, of_sequence, strict=True))  # type: ignore[arg-type]
        return Posterior(mean, log_variance), torch.cat([sample(of_segment), drawn], dim=-1)

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, segment_frames, n_inputs) to the posterior of z1 at the most likely z2, and of z2."""
        return self._infer(features, most_likely)[0]

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, 1, latent + sequence_latent) to features (batch, segment_frames, n_outputs)."""
        frames, _ = self.decoder(latent.expand(-1, self.config.segment_frames, -1))
        return self.decoded(self.to_frame(frames))

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Draw z2, then z1 given it, and decode both."""
        posterior, latent = self._infer(features, sample)
        return Reconstruction(posterior, None, latent, self.decode(latent))

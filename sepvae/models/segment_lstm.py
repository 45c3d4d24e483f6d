"""`segment_lstm`: the sequence-to-sequence VAE of Hsu, Zhang & Glass 2017 (ASRU), segments of speech to a latent."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.segment_network import SegmentNetwork, gaussian


class SegmentLstmConfig(ModelConfig):
    """Frames of a segment, layers and units of encoder and decoder, and latents; the paper has 2 × 512 and 64."""

    segment_frames: int = Field(20, ge=1, le=400)
    layers: int = Field(2, ge=1, le=8)
    hidden: int = Field(512, ge=1, le=1 << 14)
    latent: int = Field(64, ge=1, le=1 << 12)


class SegmentLstm(SegmentNetwork):
    """What all layers end with gives the latent; the decoder sees the latent at every frame.

    Args:
        config: sizes.
        n_inputs: features per frame of the input; log-mel or log-power.
        n_outputs: features per frame of the output.
    """

    Config: ClassVar[type[ModelConfig]] = SegmentLstmConfig

    def __init__(self, config: SegmentLstmConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs=n_inputs, n_outputs=n_outputs)
        self.config = config
        hidden, layers = config.hidden, config.layers
        self.encoder = nn.LSTM(n_inputs, hidden, num_layers=layers, batch_first=True)
        self.to_posterior = nn.Linear(layers * hidden, 2 * config.latent)
        self.decoder = nn.LSTM(config.latent, hidden, num_layers=layers, batch_first=True)
        self.to_frame = nn.Linear(hidden, 2 * n_outputs)

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, segment_frames, n_inputs) to the posterior of (batch, 1, latent)."""
        return gaussian(self.to_posterior(last_states(self.encoder, self.standardised(features))))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, 1, latent) to the target features (batch, segment_frames, n_outputs)."""
        frames, _ = self.decoder(latent.expand(-1, self.config.segment_frames, -1))
        return self.decoded(self.to_frame(frames))


def last_states(encoder: nn.LSTM, features: Tensor) -> Tensor:
    """Return what all layers of an LSTM end with side by side, (batch, 1, layers · hidden)."""
    _, (states, _) = encoder(features)
    beside: Tensor = states.transpose(0, 1).flatten(1)[:, None]
    return beside

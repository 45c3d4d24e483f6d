"""A network of one's own: a recurrent autoencoder of each source.

sepvae train mixtures.jsonl --corpus DIR -o model --set model.kind=gru --plugin docs/examples/gru_network.py
"""

from pydantic import Field
from torch import Tensor, nn

import sepvae
from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.network import SourceNetwork


class GruConfig(ModelConfig):
    """Size of the state."""

    hidden: int = Field(64, ge=1, le=4096)


class Gru(SourceNetwork):
    """Features of the mixture to a state along time, and each state to the magnitudes of a source."""

    Config = GruConfig
    context_frames = 0

    def __init__(self, config: GruConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config
        self.gru = nn.GRU(n_inputs, config.hidden, batch_first=True)
        self.out = nn.Linear(config.hidden, n_outputs)

    def encode(self, features: Tensor) -> Posterior:
        return Posterior(self.gru(features)[0], None)

    def decode(self, latent: Tensor) -> Decoded:
        return Decoded(nn.functional.softplus(self.out(latent)), None)


sepvae.register("model", "gru", Gru)

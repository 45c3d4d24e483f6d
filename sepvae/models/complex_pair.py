"""`complex_pair`: one network for the real and one for the imaginary part of the spectrum, rejoined at the end.

Do, Tran & Chau 2020, as the survey (Singh & Ogunfunmi 2022) quotes them: both parts are taken to be independent.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models import ACTIVATIONS, OUTPUTS
from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.dense import DenseVae, DenseVaeConfig
from sepvae.models.network import SourceNetwork


class ComplexPairConfig(DenseVaeConfig):
    """Layer sizes of each of the two networks, as of `dense_vae`; their output takes both signs."""

    activation: Annotated[str, ACTIVATIONS] = "tanh"
    output: Annotated[str, OUTPUTS] = "identity"


class ComplexPair(SourceNetwork):
    """Two dense VAEs side by side: the first half of features and latents is the real, the second the imaginary part.

    Args:
        config: layer sizes.
        n_inputs: real and imaginary parts per frame, an even number.
        n_outputs: likewise.

    Raises:
        ConfigError: features that have no real and imaginary part.
    """

    Config: ClassVar[type[ModelConfig]] = ComplexPairConfig

    def __init__(self, config: ComplexPairConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        check_complex(n_inputs, n_outputs, model="complex_pair")
        self.config, self.context_frames = config, config.context_frames
        self.real = DenseVae(config, n_inputs=n_inputs // 2, n_outputs=n_outputs // 2)
        self.imaginary = DenseVae(config, n_inputs=n_inputs // 2, n_outputs=n_outputs // 2)

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, 2 · bins) to q(z|x), (batch, frames, 2 · latent)."""
        parts = zip((self.real, self.imaginary), features.chunk(2, dim=-1), strict=True)
        return Posterior(*_joined([network.encode(part) for network, part in parts]))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, 2 · latent) to real and imaginary parts (batch, frames, 2 · bins)."""
        parts = zip((self.real, self.imaginary), latent.chunk(2, dim=-1), strict=True)
        return Decoded(*_joined([network.decode(part) for network, part in parts]))


def check_complex(n_inputs: int, n_outputs: int, *, model: str) -> None:
    """Raise ConfigError when features cannot be real and imaginary parts."""
    if n_inputs % 2 or n_outputs % 2:
        raise ConfigError(f"model {model} takes real and imaginary parts: set input and target to kind complex")


def _joined(pairs: list[Posterior] | list[Decoded]) -> tuple[Tensor, Tensor | None]:
    """Return two pairs of a mean and a log-variance (or None) side by side."""
    (first, first_variance), (second, second_variance) = pairs
    mean = torch.cat([first, second], dim=-1)
    if first_variance is None or second_variance is None:
        return mean, None
    return mean, torch.cat([first_variance, second_variance], dim=-1)

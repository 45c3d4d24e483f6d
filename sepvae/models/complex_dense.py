"""`complex_dense`: a VAE whose layers are complex, so that real and imaginary part are one number throughout.

Trabelsi et al. 2018 for complex layers; Arjovsky et al. 2016 for modReLU, made smooth here. Without biases
of layers the whole network turns with its input: a mixture turned by a phase gives sources turned by it.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.complex_pair import check_complex
from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.network import SourceNetwork

_LOG_VARIANCE_LIMIT = 10.0
_FLOOR = 1e-12


class ComplexDenseConfig(ModelConfig):
    """Sizes in complex numbers: of the layers and of the latent."""

    hidden: tuple[Annotated[int, Field(ge=1, le=1 << 16)], ...] = Field((256, 256), min_length=1, max_length=64)
    latent: int = Field(64, ge=1, le=1 << 16)


class ComplexLinear(nn.Module):
    """y = W x with complex W, on real parts followed by imaginary parts (…, 2 · n)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        # Half the variance of a real layer for each part (Trabelsi et al. 2018, §3.6).
        bound = math.sqrt(1 / (2 * n_in))
        self.real = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound))
        self.imaginary = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """Map (…, 2 · n_in) to (…, 2 · n_out)."""
        rows = torch.cat([self.real, -self.imaginary], dim=1), torch.cat([self.imaginary, self.real], dim=1)
        return nn.functional.linear(values, torch.cat(rows, dim=0))


class ModRelu(nn.Module):
    """Shrinks or stretches moduli by a learnt bias b and leaves phases: z · log(1 + exp(|z| + b)) / (|z| + 1)."""

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_units))

    def forward(self, values: Tensor) -> Tensor:
        """Map (…, 2 · n_units) to the same shape."""
        size = modulus(values)
        # Smooth where the modulus and its bias meet, so that no unit dies as under relu(|z| + b) / |z|.
        gain = nn.functional.softplus(size + self.bias) / (size + 1)
        return values * torch.cat([gain, gain], dim=-1)


def modulus(values: Tensor) -> Tensor:
    """Return the moduli (…, n) of real parts followed by imaginary parts (…, 2 · n); smooth at 0."""
    real, imaginary = values.chunk(2, dim=-1)
    return (real.square() + imaginary.square() + _FLOOR).sqrt()


class ComplexDense(SourceNetwork):
    """Complex layers down to a complex latent and back; the variance of a latent follows from moduli alone.

    Args:
        config: sizes.
        n_inputs: real and imaginary parts per frame, an even number.
        n_outputs: likewise.

    Raises:
        ConfigError: features that have no real and imaginary part.
    """

    Config: ClassVar[type[ModelConfig]] = ComplexDenseConfig

    def __init__(self, config: ComplexDenseConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        check_complex(n_inputs, n_outputs, model="complex_dense")
        self.config, self.context_frames = config, 0
        self.encoder = _stack([n_inputs // 2, *config.hidden])
        self.to_mean = ComplexLinear(config.hidden[-1], config.latent)
        self.to_log_variance = nn.Linear(config.hidden[-1], config.latent)
        self.decoder = _stack([config.latent, *reversed(config.hidden)])
        self.to_spectrum = ComplexLinear(config.hidden[0], n_outputs // 2)

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames, 2 · bins) to q(z|x), (batch, frames, 2 · latent)."""
        hidden = self.encoder(features)
        log_variance = self.to_log_variance(modulus(hidden)).clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)
        # A circular Gaussian: real and imaginary part of a latent are equally uncertain.
        return Posterior(self.to_mean(hidden), torch.cat([log_variance, log_variance], dim=-1))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, 2 · latent) to real and imaginary parts (batch, frames, 2 · bins)."""
        return Decoded(self.to_spectrum(self.decoder(latent)), None)


def _stack(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [ComplexLinear(n_in, n_out), ModRelu(n_out)]
    return nn.Sequential(*layers)

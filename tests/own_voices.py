"""A conditional network of somebody's own, derived from the kind alone: spectra of the speakers, and a linear coder."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from sepvae.models.contract import Inference, ModelConfig, Posterior
from sepvae.models.network import ConditionalConfig, ConditionalNetwork


class OwnVoicesConfig(ConditionalConfig):
    """Latents per frame."""

    latent: int = 2


class OwnVoices(ConditionalNetwork):
    """Log-powers to latents and classes, and both to log-variances, by a linear layer each."""

    Config: ClassVar[type[ModelConfig]] = OwnVoicesConfig

    def __init__(self, config: OwnVoicesConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config
        self.to_latent, self.to_class = nn.Linear(n_inputs, config.latent), nn.Linear(n_inputs, self.n_classes)
        self.to_log_power = nn.Linear(config.latent + self.n_classes, n_outputs)

    def encode(self, power: Tensor, classes: Tensor) -> Posterior:
        mean = self.to_latent(power.log1p()) + classes.sum(-1)[:, None, None]
        return Posterior(mean, torch.zeros_like(mean))

    def log_variances(self, latent: Tensor, classes: Tensor) -> Tensor:
        told = classes[:, None].expand(-1, latent.shape[1], -1)
        return self.to_log_power(torch.cat([latent, told], dim=-1))

    def infer(self, power: Tensor) -> Inference:
        mean = self.to_latent(power.log1p())
        logits = self.to_class(power.log1p()).mean(1)
        return Inference(Posterior(mean, torch.zeros_like(mean)), torch.log_softmax(logits, dim=-1))

"""A VAE of the powers of speech, conditioned on who speaks: the source model of the multichannel VAE.

Kameoka et al. 2019; the inference without a label of Li, Kameoka & Makino 2022 (FastMVAE2), with one decoder for both.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Inference, ModelConfig, Posterior
from sepvae.models.layers import GatedStack
from sepvae.models.network import ConditionalConfig, ConditionalNetwork

_LOG_VARIANCE_LIMIT = 10.0
_FLOOR = 1e-8
# The spread of log-powers, which weights of the usual size then cover.
_LOG_SCALE, _LOG_CENTRE = 4.0, -6.0


class ConditionalVaeConfig(ConditionalConfig):
    """Who speaks, and sizes: channels, latents per frame, and gated blocks, whose dilations double, of each part.

    `inference_blocks` are those of the network that finds class and latents without being told the class.
    """

    hidden: int = Field(256, ge=1, le=1 << 14)
    latent: int = Field(16, ge=1, le=1 << 14)
    encoder_blocks: int = Field(2, ge=1, le=16)
    decoder_blocks: int = Field(3, ge=1, le=16)
    inference_blocks: int = Field(3, ge=1, le=16)
    dropout: float = Field(0.0, ge=0, lt=1)


class SpeechDecoder(nn.Module):
    """Latents at the frame rate and a class, (batch, classes) probabilities, to the log-variances of speech."""

    def make_decoder(self, config: ConditionalVaeConfig, *, n_outputs: int) -> None:
        """Make the layers, with fresh weights."""
        n_hidden, n_classes = config.hidden, max(1, len(config.classes))
        self.decoder_in, self.decoder_class = nn.Linear(config.latent, n_hidden), nn.Linear(n_classes, n_hidden)
        self.decoder, self.to_log_power = _stack(config, config.decoder_blocks), nn.Linear(n_hidden, n_outputs)
        # The long-term spectrum of a speaker is the first thing that tells them from others.
        self.class_log_power = nn.Linear(n_classes, n_outputs, bias=False)
        # It starts as the mean spectrum, whoever speaks.
        nn.init.zeros_(self.to_log_power.weight)
        nn.init.zeros_(self.class_log_power.weight)

    @torch.no_grad()
    def calibrate(self, targets: Tensor) -> None:
        """Start from the mean of the powers (frames, bins) to be learnt: from 0 it would take thousands of steps."""
        self.to_log_power.bias.copy_((targets.flatten(0, -2).mean(0) + _FLOOR).log() / _LOG_SCALE)

    def log_variances(self, latent: Tensor, classes: Tensor) -> Tensor:
        """Map latents (batch, frames, latent) and classes (batch, classes) to log-variances (batch, frames, bins)."""
        hidden = self.decoder(self.decoder_in(latent) + self.decoder_class(classes)[:, None])
        return _whole(_LOG_SCALE * (self.to_log_power(hidden) + self.class_log_power(classes)[:, None]))


class ConditionalVae(SpeechDecoder, ConditionalNetwork):
    """Powers and a class to a latent sequence at their frame rate, and both to variances.

    A class is given as probabilities (batch, classes), which may be those of several.

    Args:
        config: classes and sizes.
        n_inputs: bins of the powers.
        n_outputs: bins of the variances, as many.
    """

    Config: ClassVar[type[ModelConfig]] = ConditionalVaeConfig

    def __init__(self, config: ConditionalVaeConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config
        n_hidden, n_classes = config.hidden, self.n_classes
        self.encoder_in, self.encoder_class = nn.Linear(n_inputs, n_hidden), nn.Linear(n_classes, n_hidden, bias=False)
        self.encoder, self.to_posterior = _stack(config, config.encoder_blocks), nn.Linear(n_hidden, 2 * config.latent)
        self.make_decoder(config, n_outputs=n_outputs)
        self.inference_in, self.inference = nn.Linear(n_inputs, n_hidden), _stack(config, config.inference_blocks)
        self.inferred_posterior, self.inferred_class = (
            nn.Linear(n_hidden, 2 * config.latent),
            nn.Linear(n_hidden, n_classes),
        )

    def encode(self, power: Tensor, classes: Tensor) -> Posterior:
        """Map powers (batch, frames, bins) and classes (batch, classes) to q(z|s, c), (batch, frames, latent)."""
        hidden = self.encoder_in(_features(power)) + self.encoder_class(classes)[:, None]
        return _posterior(self.to_posterior(self.encoder(hidden)))

    def infer(self, power: Tensor) -> Inference:
        """Map powers (batch, frames, bins) to latents and class of whoever speaks."""
        hidden = self.inference(self.inference_in(_features(power)))
        logits = _whole(self.inferred_class(hidden)).mean(1)
        return Inference(_posterior(self.inferred_posterior(hidden)), torch.log_softmax(logits, dim=-1))


def _stack(config: ConditionalVaeConfig, blocks: int) -> GatedStack:
    return GatedStack(config.hidden, blocks=blocks, cycle=blocks, dropout=config.dropout)


def _features(power: Tensor) -> Tensor:
    """Return log-powers of about unit variance."""
    return ((power + _FLOOR).log() - _LOG_CENTRE) / _LOG_SCALE


def _whole(values: Tensor) -> Tensor:
    """Return values in single precision where products are made in half of it; doubles stay what they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _posterior(values: Tensor) -> Posterior:
    mean, log_variance = _whole(values).chunk(2, dim=-1)
    return Posterior(mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT))

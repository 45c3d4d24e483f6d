"""What every source model offers, and the closed table of the networks that offer it.

A model is a network and its config: no loss, no files. Features and spectra are (batch, frames, bins).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from sepvae.config import Config, parse_config
from sepvae.tables import resolve

# The only registry of models: name -> "module:Class".
MODELS: dict[str, str] = {
    "dense_vae": "sepvae.models.dense:DenseVae",
}


class Posterior(NamedTuple):
    """q(z|x): mean and log-variance, each (batch, frames, latent); no log-variance for a deterministic encoder."""

    mean: Tensor
    log_variance: Tensor | None


class Decoded(NamedTuple):
    """p(s|z): the spectrum (batch, frames, bins) and, where the network learns it, its log-variance."""

    spectrum: Tensor
    log_variance: Tensor | None


class ModelConfig(Config):
    """Base of every model's config."""


class SourceModel(Protocol):
    """A network that gives the spectrum of one source.

    `context_frames` says how many frames before and after each output frame `encode` needs: its input has
    2 · context_frames more frames than its output.
    """

    Config: ClassVar[type[ModelConfig]]
    context_frames: int

    def __init__(self, config: Any, *, n_inputs: int, n_outputs: int) -> None: ...

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to the posterior of (batch, frames, latent)."""
        ...

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to the target features (batch, frames, n_outputs)."""
        ...


def parse_model_config(kind: str, settings: dict[str, Any]) -> ModelConfig:
    """Return the validated config of the model called `kind`.

    Raises:
        ConfigError: unknown model, unknown key or impossible value; the message names it.
    """
    config_class: type[ModelConfig] = resolve(MODELS, kind, what="model").Config
    return parse_config(config_class, settings, where=f"model {kind}")


def make_model(kind: str, config: ModelConfig, *, n_inputs: int, n_outputs: int) -> nn.Module:
    """Build the network called `kind`: a SourceModel that is also a torch module."""
    network: nn.Module = resolve(MODELS, kind, what="model")(config, n_inputs=n_inputs, n_outputs=n_outputs)
    return network

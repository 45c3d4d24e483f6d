"""What networks give, and the choice of one: a kind of the table with its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from sepvae.config import Config
from sepvae.models import MODELS
from sepvae.settings import Choice
from sepvae.tables import Table

# The output for what the sources of a mixture do not account for; it is no source.
REST = "rest"


class Posterior(NamedTuple):
    """q(z|x): mean and log-variance, each (batch, frames, latent); no log-variance for a deterministic encoder."""

    mean: Tensor
    log_variance: Tensor | None


class Decoded(NamedTuple):
    """p(s|z): the spectrum (batch, frames, bins) and, where the network learns it, its log-variance."""

    spectrum: Tensor
    log_variance: Tensor | None


class Reconstruction(NamedTuple):
    """One way through a network: q(z|x), its prior p(z) (None for N(0, I)), the latent drawn, and p(s|z)."""

    posterior: Posterior
    prior: Posterior | None
    latent: Tensor
    decoded: Decoded


class Inference(NamedTuple):
    """q(z|s) (batch, frames, latent) and log q(c|s) (batch, classes), neither of which was told the class."""

    posterior: Posterior
    log_classes: Tensor


# Draws a latent (batch, frames, latent) of a posterior: reparameterised noise in training, its mean at separation.
Sampler = Callable[[Posterior], Tensor]


def most_likely(posterior: Posterior) -> Tensor:
    """Return the mean of a posterior: the sampler of separation."""
    return posterior.mean


class ModelConfig(Config):
    """Base of every model's config."""


class ModelChoice(Choice):
    """A network of `MODELS` with its settings: `{kind: dense_vae, settings: {latent: 64}}`."""

    table: ClassVar[Table] = MODELS
    kind: str = "dense_vae"

    def build(self, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...] = ()) -> nn.Module:
        """Return the network, a torch module of the kind of its class.

        Args:
            n_inputs: features per frame that it sees.
            n_outputs: features per frame that it gives for a source.
            sources: names of the sources of a network of all of them.
        """
        network: nn.Module = self.entry.build(self.config(), n_inputs=n_inputs, n_outputs=n_outputs, sources=sources)
        return network

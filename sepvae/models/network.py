"""The kinds of networks: of one source, of one source that is told who speaks, of all sources, and on waves.

Networks of segments of speech are a kind of their own, in `segment_network`. Features and spectra are
(batch, frames, features).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from sepvae.models.contract import (
    Decoded,
    Inference,
    ModelConfig,
    Posterior,
    Reconstruction,
    Sampler,
    most_likely,
)


class TrainingFacts(NamedTuple):
    """What settings of a network may follow from: the number of training items, and who speaks in them, sorted."""

    n_items: int
    speakers: tuple[str, ...]


class Network(nn.Module, ABC):
    """The base of all kinds: a torch module that is built from its config.

    `takes_roots` marks a network that takes roots of its features, which must then not be negative, `gives_shares` one
    whose output is the share of each source, and no spectrum. `apart` names
    weights, or modules of them, that nothing depends on that it gives: an objective learns them, or the paper has them.
    """

    Config: ClassVar[type[ModelConfig]]
    takes_roots: ClassVar[bool] = False
    gives_shares: ClassVar[bool] = False
    apart: tuple[str, ...] = ()
    config: Any

    @classmethod
    def build(cls, config: ModelConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> Self:  # noqa: ARG003
        """Return a network with fresh weights; of one source, whatever the names of all `sources`."""
        made: Any = cls
        network: Self = made(config, n_inputs=n_inputs, n_outputs=n_outputs)
        return network

    @classmethod
    def settings_from(cls, config: Any, facts: TrainingFacts) -> dict[str, Any]:  # noqa: ARG003
        """Return the settings that follow from the training data; of most networks none."""
        return {}

    def calibrate(self, targets: Tensor) -> None:
        """Start from what is to be learnt, (frames, n_outputs); most networks start from chance."""

    def standardise(self, inputs: Tensor, targets: Tensor) -> None:
        """Take mean and spread of features from some frames, (frames, n_inputs) and (frames, n_outputs)."""


class SourceNetwork(Network):
    """A network that gives the spectrum of one source, with `encode` and `decode`.

    `context_frames` says how many frames before and after each output frame `encode` needs: its input has
    2 · context_frames more frames than its output.
    """

    context_frames: int

    @abstractmethod
    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to q(z|x), (batch, frames, latent)."""

    @abstractmethod
    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to the target features (batch, frames, n_outputs)."""

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Encode features, draw a latent of their posterior and decode it; networks with memory draw along time."""
        posterior = self.encode(features)
        latent = sample(posterior)
        return Reconstruction(posterior, None, latent, self.decode(latent))

    def forward(self, features: Tensor) -> Tensor:
        """Map features to the most likely target features (batch, frames, n_outputs)."""
        return self.reconstruct(features, most_likely).decoded.spectrum


# Powers are of a mean of about 1: 120 dB on both sides of it.
_LOG_LIMIT = 28.0


def within_limits(log_variances: Tensor) -> Tensor:
    """Return log-variances that a variance can be made of."""
    return log_variances.clamp(-_LOG_LIMIT, _LOG_LIMIT)


class ConditionalConfig(ModelConfig):
    """Who speaks: `classes` are the speakers trained on, filled in by the training when empty."""

    classes: tuple[str, ...] = ()


class ConditionalNetwork(Network):
    """A network that is told who speaks, by probabilities (batch, classes), and can say it.

    Its config is a `ConditionalConfig`. One that has no classes yet is built for a single one.
    """

    config: ConditionalConfig
    context_frames = 0

    @classmethod
    def settings_from(cls, config: Any, facts: TrainingFacts) -> dict[str, Any]:
        """Return the speakers as classes, where none are given."""
        return {} if config.classes else {"classes": list(facts.speakers)}

    @property
    def n_classes(self) -> int:
        """How many speakers it knows."""
        return max(1, len(self.config.classes))

    @abstractmethod
    def encode(self, power: Tensor, classes: Tensor) -> Posterior:
        """Map powers (batch, frames, bins) and classes to q(z|s, c), (batch, frames, latent)."""

    @abstractmethod
    def log_variances(self, latent: Tensor, classes: Tensor) -> Tensor:
        """Map latents (batch, frames, latent) and classes to log-variances (batch, frames, bins), of any size."""

    def decode(self, latent: Tensor, classes: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) and classes to variances (batch, frames, bins)."""
        return Decoded(within_limits(self.log_variances(latent, classes)).exp(), None)

    @abstractmethod
    def infer(self, power: Tensor) -> Inference:
        """Map powers (batch, frames, bins) to latents and class of whoever speaks."""

    def forward(self, power: Tensor, classes: Tensor) -> Tensor:
        """Map powers and classes to the variances of the most likely latents, (batch, frames, bins)."""
        return self.decode(self.encode(power, classes).mean, classes).spectrum


class DistilledNetwork(ConditionalNetwork):
    """A conditional network that is taught: `infer` and `decode` by another decoder, and by `encode`.

    What is told the class teaches what is not; recordings are separated by what has been taught.
    """

    @abstractmethod
    def teacher_log_variances(self, latent: Tensor, classes: Tensor) -> Tensor:
        """Map latents of `encode` and classes to the log-variances (batch, frames, bins) of the teacher."""


class JointNetwork(Network):
    """A network that gives the spectra of all its sources at once, and is trained through the waves they make.

    Its output has the frames of its input; `context_frames` says how far from a frame others still matter to it.
    """

    context_frames: int

    @classmethod
    def build(cls, config: ModelConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> Self:
        """Return a network of all `sources` with fresh weights."""
        made: Any = cls
        network: Self = made(config, n_inputs=n_inputs, n_outputs=n_outputs, sources=sources)
        return network

    @abstractmethod
    def reconstruct(self, features: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Map features (batch, frames, n_inputs) to the reconstruction of each source."""

    def forward(self, features: Tensor) -> Tensor:
        """Map features to the most likely target features (sources, batch, frames, n_outputs)."""
        found = self.reconstruct(features, most_likely).values()
        return torch.stack([item.decoded.spectrum for item in found])


class WaveNetwork(Network):
    """A network from mixtures to sources without a front-end of ours.

    `context_samples` says how many samples before and after a sample matter to it.
    """

    context_samples: int

    @classmethod
    def build(cls, config: ModelConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> Self:  # noqa: ARG003
        """Return a network of as many waves as `sources` with fresh weights; it sees no features."""
        made: Any = cls
        network: Self = made(config, n_sources=len(sources))
        return network

    @abstractmethod
    def forward(self, mixture: Tensor) -> Tensor:
        """Map mixtures (batch, time) at a root mean square of about 1 to waves (n_sources, batch, time)."""

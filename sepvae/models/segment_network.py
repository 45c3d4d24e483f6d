"""The base of the networks of segments: features of zero mean and unit variance inside, and one way through them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from sepvae.models.contract import Decoded, Posterior, Reconstruction, Sampler, most_likely
from sepvae.models.network import Network

# exp(±5) in the standard deviation of what has unit variance.
_LOG_VARIANCE_LIMIT = 10.0
# A log-feature known better than to 5 % of its spread would drown all others.
_LEAST_LOG_VARIANCE = -6.0
_LEAST_STD = 1e-3


def gaussian(parameters: Tensor) -> Posterior:
    """Split (…, 2 · latent) into mean and limited log-variance."""
    mean, log_variance = parameters.chunk(2, dim=-1)
    return Posterior(mean, log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT))


class SegmentNetwork(Network):
    """A network that codes a segment of `config.segment_frames` frames by one latent vector.

    `nuisance` says which latents hold what stays the same in an utterance, such as voice and channel. The vector of an
    utterance is the sum of these over its segments divided by their number plus `nuisance_prior`.

    Args:
        n_inputs: features per frame of the input.
        n_outputs: features per frame of the output.
    """

    context_frames = 0
    nuisance = slice(None)
    nuisance_prior = 0.0
    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        for name, size in (("input", n_inputs), ("output", n_outputs)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))

    @torch.no_grad()
    def standardise(self, inputs: Tensor, targets: Tensor) -> None:
        """Take mean and spread of the features from some frames, (frames, n_inputs) and (frames, n_outputs)."""
        for name, frames in (("input", inputs), ("output", targets)):
            mean, std = getattr(self, f"{name}_mean"), getattr(self, f"{name}_std")
            mean.copy_(frames.mean(0))
            std.copy_(frames.std(0, correction=0).clamp_min(_LEAST_STD))

    def standardised(self, features: Tensor) -> Tensor:
        """Return input features (…, n_inputs) at zero mean and unit variance."""
        return (features - self.input_mean) / self.input_std

    def decoded(self, parameters: Tensor) -> Decoded:
        """Return the Gaussian (…, n_outputs) of the parameters (…, 2 · n_outputs) that a decoder ends with."""
        mean, log_variance = parameters.chunk(2, dim=-1)
        limited = log_variance.clamp(_LEAST_LOG_VARIANCE, _LOG_VARIANCE_LIMIT)
        return Decoded(self.output_mean + self.output_std * mean, limited + 2 * self.output_std.log())

    @abstractmethod
    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, segment_frames, n_inputs) to the posterior of (batch, 1, latent)."""

    @abstractmethod
    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, 1, latent) to the target features (batch, segment_frames, n_outputs)."""

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Encode features, draw a latent of their posterior and decode it."""
        posterior = self.encode(features)
        latent = sample(posterior)
        return Reconstruction(posterior, None, latent, self.decode(latent))

    def forward(self, features: Tensor) -> Tensor:
        """Map features to the most likely target features (batch, segment_frames, n_outputs)."""
        return self.reconstruct(features, most_likely).decoded.spectrum


class SequenceNetwork(SegmentNetwork):
    """A network of segments with a vector for each sequence that it is trained on: where its `nuisance` is centred."""

    @property
    @abstractmethod
    def sequence_vectors(self) -> Tensor | None:
        """Vectors (sequences, latent) in the order of the training items, None of a network that was given none."""

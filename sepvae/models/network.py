"""The base of the networks of one source: how encoder and decoder make a reconstruction."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from sepvae.models.contract import Decoded, Interface, Posterior, Reconstruction, Sampler


class SourceNetwork(nn.Module):
    """A network with `encode` and `decode` whose frames are drawn independently of each other."""

    interface: ClassVar[Interface] = "source"
    context_frames: int

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to q(z|x), (batch, frames, latent)."""
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to the target features (batch, frames, n_outputs)."""
        raise NotImplementedError

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Encode features, draw a latent of their posterior and decode it."""
        posterior = self.encode(features)
        latent = sample(posterior)
        return Reconstruction(posterior, None, latent, self.decode(latent))

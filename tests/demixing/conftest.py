"""Random spectra, mixtures whose sources are known, and tiny conditional VAEs, untrained."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig


class Bins(NamedTuple):
    """Sources (batch, bins, sources, frames), how they are mixed, and what the microphones hear."""

    sources: Tensor
    mixing: Tensor
    spectrum: Tensor


def draw_gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mix_talkers(
    *,
    n_batch: int = 1,
    n_bins: int = 5,
    n_sources: int = 2,
    n_channels: int | None = None,
    n_frames: int = 60,
    seed: int = 0,
) -> Bins:
    """Draw sources that come and go, all bins together, and mix them by a random matrix in each bin."""
    envelopes = torch.exp(1.5 * draw_gaussian(n_batch, 1, n_sources, n_frames, seed=seed, dtype=torch.float64))
    sources = envelopes * draw_gaussian(n_batch, n_bins, n_sources, n_frames, seed=seed + 1)
    mixing = draw_gaussian(n_batch, n_bins, n_channels or n_sources, n_sources, seed=seed + 2)
    return Bins(sources, mixing, mixing @ sources)


def make_voices(*, n_bins: int = 5, classes: tuple[str, ...] = ("ann", "bob", "cat"), seed: int = 0) -> ConditionalVae:
    """Build a tiny network whose variances depend on latents and class, as those of a trained one do."""
    config = ConditionalVaeConfig(
        classes=classes, hidden=8, latent=3, encoder_blocks=1, decoder_blocks=1, inference_blocks=1
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ConditionalVae(config, n_inputs=n_bins, n_outputs=n_bins)
        for weight in (network.to_log_power.weight, network.class_log_power.weight):
            torch.nn.init.normal_(weight, std=0.1)
    return network.eval()


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., Tensor]:
    return draw_gaussian


@pytest.fixture(scope="session")
def talkers() -> Callable[..., Bins]:
    return mix_talkers


@pytest.fixture(scope="session")
def voices() -> Callable[..., ConditionalVae]:
    return make_voices

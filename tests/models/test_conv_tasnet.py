"""Conv-TasNet: the size of the published network, lengths, and what a mask can do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sepvae.errors import ConfigError
from sepvae.models.conv_tasnet import ConvTasNet, ConvTasNetConfig

SMALL = {"filters": 8, "filter_samples": 4, "bottleneck": 4, "hidden": 6, "blocks": 2, "repeats": 2}


def make(n_sources: int = 2, **settings: Any) -> ConvTasNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConvTasNet(ConvTasNetConfig(**{**SMALL, **settings}), n_sources=n_sources).double().eval()


def waves(batch: int, n_samples: int) -> torch.Tensor:
    return torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_published_network_has_the_published_size() -> None:
    """Luo & Mesgarani 2019, Table II: N 512, L 16, B 128, H 512, P 3, X 8, R 3 with skips of 128 has 5.1 M weights."""
    published = ConvTasNetConfig(filters=512, filter_samples=16, bottleneck=128, hidden=512)
    n_weights = sum(weight.numel() for weight in ConvTasNet(published, n_sources=2).parameters())
    assert n_weights / 1e6 == pytest.approx(5.1, abs=0.05)


@pytest.mark.parametrize("n_samples", [1, 3, 4, 5, 17, 64])
@pytest.mark.parametrize("n_sources", [1, 3])
def test_waves_keep_their_length(n_samples: int, n_sources: int) -> None:
    estimates = make(n_sources)(waves(2, n_samples))
    assert estimates.shape == (n_sources, 2, n_samples)
    assert torch.isfinite(estimates).all()


def test_the_filters_can_be_undone() -> None:
    """With open masks and an encoder of deltas and its mirror image the output is the input: no sample is shifted."""
    network = make(1, filters=8, filter_samples=4)
    encoder = torch.cat([torch.eye(4), -torch.eye(4)]).double()
    network.encoder.weight.data = encoder[:, None]
    # Every sample lies under two filters.
    network.decoder.weight.data = encoder[:, None] / 2
    network.to_masks[1].weight.data.zero_()
    network.to_masks[1].bias.data.fill_(50.0)  # type: ignore[union-attr]
    mixture = waves(2, 31)
    torch.testing.assert_close(network(mixture)[0], mixture)


@pytest.mark.parametrize("settings", [{"filter_samples": 5}, {"kernel": 4}])
def test_sizes_that_shift_samples_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give an even number of samples and an odd kernel"):
        make(**settings)

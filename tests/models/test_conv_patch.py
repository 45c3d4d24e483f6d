"""Convolutions over patches: what a frame depends on, any number of bins, and the two kinds of encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.models.conv_patch import ConvPatch, ConvPatchConfig


def make(n_bins: int, **settings: Any) -> ConvPatch:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ConvPatch(ConvPatchConfig(**{"filters": (3, 4), **settings}), n_inputs=n_bins, n_outputs=n_bins)
    return network.double().eval()


def features(n_frames: int, n_bins: int) -> Tensor:
    return torch.rand(1, n_frames, n_bins, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("n_bins", [1, 2, 7, 8, 9, 33, 65])
@pytest.mark.parametrize("filters", [(2,), (2, 3), (2, 3, 4)])
def test_no_bin_is_lost(n_bins: int, filters: tuple[int, ...]) -> None:
    network = make(n_bins, filters=filters)
    spectrum = network.decode(network.encode(features(5 + 2 * network.context_frames, n_bins)).mean).spectrum
    assert spectrum.shape == (1, 5, n_bins)
    assert (spectrum >= 0).all()


def test_a_frame_depends_on_its_context_and_no_further() -> None:
    network, values = make(9, kernel_frames=5), features(40, 9)
    assert network.context_frames == 4
    changed = values.clone()
    changed[:, 20] += 1
    spectra = [network.decode(network.encode(part).mean).spectrum for part in (values, changed)]
    reached = (spectra[0] != spectra[1]).any(-1)[0]
    # Output frame n is input frame n + 4.
    assert torch.equal(reached.nonzero().flatten(), torch.arange(12, 21))


def test_a_vae_has_a_variance_for_every_latent() -> None:
    values = features(12, 9)
    point, cloud = make(9).encode(values), make(9, deterministic=False).encode(values)
    assert point.log_variance is None
    assert cloud.log_variance is not None
    assert cloud.log_variance.shape == cloud.mean.shape == point.mean.shape

"""The temporal VAE: what a frame depends on, and that sources have latents and decoders of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.models.contract import most_likely
from sepvae.models.temporal import TemporalVae, TemporalVaeConfig

BINS = 5


def make(**settings: Any) -> TemporalVae:
    small = {"hidden": 6, "latent": 3, "encoder_blocks": 3, "decoder_blocks": 2, "dilation_cycle": 2, **settings}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TemporalVae(TemporalVaeConfig(**small), n_inputs=BINS, n_outputs=BINS, sources=("a", "b", "c"))
    return network.double().eval()


def features(n_frames: int, batch: int = 1) -> Tensor:
    return torch.rand((batch, n_frames, BINS), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def spectra(network: TemporalVae, values: Tensor) -> Tensor:
    found = network.reconstruct(values, most_likely)
    return torch.stack([item.decoded.spectrum for item in found.values()])


@pytest.mark.parametrize("n_frames", [1, 2, 7, 40])
def test_every_source_has_the_frames_of_the_mixture(n_frames: int) -> None:
    found = make().reconstruct(features(n_frames, batch=2), most_likely)
    assert list(found) == ["a", "b", "c"]
    for item in found.values():
        assert item.decoded.spectrum.shape == (2, n_frames, BINS)
        assert item.latent.shape == item.posterior.mean.shape == (2, n_frames, 3)
        assert (item.decoded.spectrum >= 0).all()


def test_a_frame_depends_on_its_context_and_no_further() -> None:
    network, values = make(), features(60)
    # dilations 1, 2, 1 in the encoder and 1, 2 in a decoder
    assert network.context_frames == 7
    changed = values.clone()
    changed[:, 30] += 1
    reached = (spectra(network, values) != spectra(network, changed)).any(0).any(-1)[0]
    assert torch.equal(reached.nonzero().flatten(), torch.arange(23, 38))


def test_silence_gives_finite_values_and_gradients() -> None:
    network = make()
    spectra(network, torch.zeros(1, 4, BINS, dtype=torch.float64)).sum().backward()  # type: ignore[no-untyped-call]
    assert all(
        weight.grad is not None and torch.isfinite(weight.grad).all() for weight in network.decoders.parameters()
    )


def test_a_source_is_decoded_from_its_own_latent() -> None:
    network, values = make(), features(9)

    def shifted(name: str) -> dict[str, Tensor]:
        posteriors = network.encode(values)
        return {n: network.decode(n, q.mean + (1.0 if n == name else 0.0)).spectrum for n, q in posteriors.items()}

    plain, moved = shifted(""), shifted("b")
    assert {name for name in plain if not torch.equal(plain[name], moved[name])} == {"b"}


def test_the_latent_is_what_the_sampler_draws() -> None:
    found = make().reconstruct(features(4), lambda posterior: posterior.mean + 2)
    for item in found.values():
        assert torch.equal(item.latent, item.posterior.mean + 2)

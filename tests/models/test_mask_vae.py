"""The mask VAE: shares that add up to one, its context, its cepstrum, and the form without latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sepvae.estimator.masks import make_masks
from sepvae.models.contract import most_likely
from sepvae.models.mask_vae import MaskVae, MaskVaeConfig, cepstral_cosines

BINS = 17


def make(**settings: Any) -> MaskVae:
    small = {"hidden": 6, "latent": 3, "encoder_blocks": 3, "decoder_blocks": 2, "dilation_cycle": 2, **settings}
    small = {"cepstrum": 8, "cepstrum_from": 2, **small}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MaskVae(MaskVaeConfig(**small), n_inputs=BINS, n_outputs=BINS, sources=("a", "b", "c"))
    return network.double().eval()


def features(n_frames: int, batch: int = 1) -> Tensor:
    return torch.rand((batch, n_frames, BINS), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def shares(network: MaskVae, values: Tensor) -> Tensor:
    return torch.stack([item.decoded.spectrum for item in network.reconstruct(values, most_likely).values()])


@pytest.mark.parametrize("settings", [{}, {"latent": 0}, {"decoder_blocks": 0}, {"cepstrum": 0}])
def test_shares_add_up_to_one_and_are_the_mask(settings: dict[str, Any]) -> None:
    found = shares(make(**settings), features(9, batch=2))
    assert found.shape == (3, 2, 9, BINS)
    assert torch.allclose(found.sum(0), torch.ones(2, 9, BINS, dtype=torch.float64))
    assert torch.allclose(make_masks(found, kind="ratio"), found)


def test_a_frame_depends_on_its_context_and_no_further() -> None:
    network, values = make(), features(60)
    # dilations 1, 2, 1 in the encoder and 1, 2 in the decoder
    assert network.context_frames == 7
    changed = values.clone()
    changed[:, 30] += 1
    reached = (shares(network, values) != shares(network, changed)).any(0).any(-1)[0]
    assert torch.equal(reached.nonzero().flatten(), torch.arange(23, 38))


def test_latents_are_drawn_where_there_are_some() -> None:
    found = make().reconstruct(features(4), most_likely)["a"]
    assert found.latent.shape == (1, 4, 3) and found.posterior.log_variance is not None
    plain = make(latent=0).reconstruct(features(4), most_likely)["a"]
    assert plain.posterior.log_variance is None


def test_silence_gives_finite_values_and_gradients() -> None:
    network = make()
    shares(network, torch.zeros(1, 4, BINS, dtype=torch.float64))[0].sum().backward()  # type: ignore[no-untyped-call]
    assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in network.parameters())


def test_the_cepstrum_is_that_of_a_real_spectrum() -> None:
    """Against the inverse transform of NumPy, on the log-magnitudes of a real wave."""
    wave = np.random.default_rng(0).standard_normal(2 * (BINS - 1))
    logarithms = np.log(np.abs(np.fft.rfft(wave)))
    expected = np.fft.irfft(logarithms)[2:10] * np.sqrt(len(wave))
    found = torch.from_numpy(logarithms) @ cepstral_cosines(BINS, start=2, count=8).double()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_the_cepstrum_peaks_at_the_period_of_a_voice() -> None:
    rate, period = 16000, 128
    pulses = np.zeros(1024)
    pulses[::period] = 1
    spectrum = np.abs(np.fft.rfft(pulses * np.hanning(1024))) + 1e-3
    cosines = cepstral_cosines(513, start=24, count=256)
    assert cosines.shape == (513, 256)
    found = torch.from_numpy(np.log(spectrum)) @ cosines.double()
    assert abs(int(found.argmax()) + 24 - period) <= 1 and rate / period == 125


def test_quefrencies_that_the_bins_cannot_tell_apart_are_left_out() -> None:
    assert cepstral_cosines(9, start=4, count=100).shape == (9, 5)
    assert cepstral_cosines(9, start=40, count=100).shape == (9, 0)
    assert make(cepstrum_from=40).to_hidden.in_features == BINS

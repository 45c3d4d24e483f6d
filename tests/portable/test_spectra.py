"""What is computed in NumPy is what torch gives: spectra, rumble, levels and masks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sepvae.estimator.masks import make_masks
from sepvae.frontend import rumble as torch_rumble
from sepvae.frontend.levels import make_meter
from sepvae.frontend.stft import Stft as TorchStft
from sepvae.frontend.stft import StftConfig
from sepvae.portable.levels import Meter
from sepvae.portable.spectra import Stft, rumble, shares, support_samples

RATE = 8000


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@given(
    n_samples=st.integers(0, 2000),
    window_ms=st.sampled_from([4.0, 16.0, 25.0]),
    share=st.sampled_from([2, 3, 4]),
    window=st.sampled_from(["hann", "hamming", "sine"]),
)
@settings(deadline=None)
def test_the_transform_is_that_of_torch(n_samples: int, window_ms: float, share: int, window: str) -> None:
    config = StftConfig.model_validate({"window_ms": window_ms, "hop_ms": window_ms / share, "window": window})
    there = TorchStft(config, sample_rate=RATE)
    here = Stft(window, window_samples=there.window_samples, hop_samples=there.hop_samples)
    wave = noise(2, n_samples)
    expected = there.analyse(torch.from_numpy(wave))
    found = here.analyse(wave)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    again = here.synthesise(found, n_samples=n_samples)
    np.testing.assert_allclose(again, there.synthesise(expected, n_samples=n_samples).numpy(), atol=1e-4)
    np.testing.assert_allclose(again, wave, atol=1e-4)
    assert here.window_energy == pytest.approx(there.window_energy)


@given(n_samples=st.integers(0, 4000), silent=st.integers(0, 3000), offset=st.sampled_from([0.0, 0.3]))
@settings(deadline=None)
def test_rumble_is_that_of_torch(n_samples: int, silent: int, offset: float) -> None:
    wave = noise(2, n_samples) + np.float32(offset)
    wave[:, silent : silent + 1500] = 0
    expected = torch_rumble.rumble(torch.from_numpy(wave), sample_rate=RATE).numpy()
    np.testing.assert_allclose(rumble(wave, sample_rate=RATE), expected, atol=1e-6)
    assert support_samples(RATE) == torch_rumble.support_samples(RATE)


@given(
    n_samples=st.integers(0, 20_000),
    normalisation=st.sampled_from(["rms", "peak", "none"]),
    pause=st.integers(0, 15_000),
    tone=st.booleans(),
    cuts=st.lists(st.integers(0, 250), max_size=3),
    seed=st.integers(0, 9),
)
@settings(deadline=None)
def test_the_level_is_that_of_torch(
    n_samples: int, normalisation: str, pause: int, tone: bool, cuts: list[int], seed: int
) -> None:
    wave = noise(n_samples, seed=seed)
    wave[pause : pause + 6000] *= 1e-4
    if tone:
        wave[: n_samples // 3] = np.sin(np.arange(n_samples // 3) * 0.7)
    stft = Stft("hann", window_samples=128, hop_samples=64)
    spectrum = stft.analyse(wave)
    there = make_meter("gated", normalisation, hop_ms=8.0)  # type: ignore[arg-type]
    here = Meter(normalisation, hop_ms=8.0)
    edges = [0, *sorted(cuts), len(spectrum)]
    for first, last in pairwise(edges):
        there.add(torch.from_numpy(spectrum[first:last]))
        here.add(spectrum[first:last])
    assert here.level == pytest.approx(there.level, rel=1e-5)


@pytest.mark.parametrize("mask", ["ratio", "wiener"])
@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25, 0.0])
def test_masks_are_those_of_torch(mask: str, scale: float) -> None:
    magnitudes = np.abs(noise(3, 2, 5, 7)) * np.float32(scale)
    magnitudes[:, 0, 0] = 0
    found = shares(magnitudes, mask)
    np.testing.assert_allclose(found, make_masks(torch.from_numpy(magnitudes), kind=mask).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)

"""The noise model: its updates against the formulas written out, and what they may never do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sepvae.enhancement.noise_model import (
    NoiseModel,
    negative_log_likelihood,
    start_noise,
    update_gains,
    update_noise,
    variance,
)
from sepvae.objectives.likelihoods import SPECTRUM_FLOOR


def draw(n_samples: int, n_frames: int, n_bins: int, n_components: int, seed: int) -> tuple[torch.Tensor, ...]:
    """Powers over many orders of magnitude, some of them 0."""
    generator = torch.Generator().manual_seed(seed)

    def powers(*shape: int) -> torch.Tensor:
        found = (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).exp()
        return found * (torch.rand(shape, generator=generator) > 0.2)

    return (
        powers(n_frames, n_bins),
        powers(n_samples, n_frames, n_bins),
        powers(n_frames, 1),
        powers(n_components, n_bins),
        powers(n_frames, n_components),
    )


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3), st.integers(0, 10**6))
def test_no_update_makes_the_recording_less_likely(
    n_samples: int, n_frames: int, n_bins: int, n_components: int, seed: int
) -> None:
    power, speech, gains, spectra, activations = draw(n_samples, n_frames, n_bins, n_components, seed)
    noise = NoiseModel(spectra, activations)

    def objective() -> float:
        return float(negative_log_likelihood(power, variance(gains * speech, noise.power)).mean())

    heights = [objective()]
    for _ in range(3):
        noise = update_noise(power, gains * speech, noise)
        heights.append(objective())
        gains = update_gains(power, speech, gains, noise.power)
        heights.append(objective())
    assert np.isfinite(heights).all()
    assert (np.diff(heights) <= 1e-9 * np.abs(heights[:-1]) + 1e-12).all()
    sums = noise.spectra.sum(1)
    torch.testing.assert_close(sums[sums > 0], torch.ones_like(sums[sums > 0]))


@pytest.mark.parametrize("copies", [1, 3])
def test_updates_are_the_formulas_of_the_paper(copies: int) -> None:
    """Leglaive et al. 2018 with one sample, written out; samples that are alike change nothing."""
    power, speech, gains, spectra, activations = (part + 0.1 for part in draw(1, 4, 3, 2, seed=1))
    w, h = spectra.numpy().T, activations.numpy().T  # (bins, components), (components, frames), as printed
    x, s, g = power.numpy().T + SPECTRUM_FLOOR, speech[0].numpy().T, gains.numpy().T
    v = g * s + w @ h + SPECTRUM_FLOOR
    w = w * np.sqrt(((x / v**2) @ h.T) / ((1 / v) @ h.T))
    v = g * s + w @ h + SPECTRUM_FLOOR
    h = h * np.sqrt((w.T @ (x / v**2)) / (w.T @ (1 / v)))
    v = g * s + w @ h + SPECTRUM_FLOOR
    g = g * np.sqrt((x * s / v**2).sum(0) / (s / v).sum(0))
    samples = speech.repeat(copies, 1, 1)
    noise = update_noise(power, gains * samples, NoiseModel(spectra, activations))
    np.testing.assert_allclose(noise.power.numpy(), (w @ h).T)
    np.testing.assert_allclose(noise.spectra.numpy(), (w / w.sum(0)).T)
    np.testing.assert_allclose(update_gains(power, samples, gains, noise.power).numpy(), g.T)


def test_the_start_is_like_the_median_frame_and_follows_from_the_seed() -> None:
    power = draw(1, 51, 40, 1, seed=2)[0] + 0.01
    first, again, other = (start_noise(power, 16, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.power, again.power)
    assert not torch.equal(first.spectra, other.spectra)
    torch.testing.assert_close(first.power.mean(0), power.median(0).values, rtol=0.4, atol=0)
    louder = start_noise(9 * power, 16, torch.Generator().manual_seed(0))
    torch.testing.assert_close(louder.power, 9 * first.power, rtol=1e-3, atol=0)

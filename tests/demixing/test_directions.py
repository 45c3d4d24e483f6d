"""Talkers told apart by their delays between two microphones, and where GMVAE starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.directions import _peaks, covariances_by_mask, masks_by_delay
from sepvae.demixing.gmvae import GmvaeConfig, SpatialStart, start_from_delays

RATE, N_BINS, N_FRAMES = 16000, 65, 60
FREQUENCIES = torch.linspace(0, RATE / 2, N_BINS, dtype=torch.float64)
# At 16 kHz within a distance of 8 cm.
DELAYS_S = (-1.5e-4, 2e-5, 1.9e-4)
MAX_DELAY_S = 2.4e-4


def sparse_talkers(n_talkers: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return powers of talkers of whom one is heard in each bin and frame, and who that is (bins, frames)."""
    rng = np.random.default_rng(seed)
    # Each of them talks for a while, with somebody else in some of the bins.
    main = np.repeat(rng.permutation(np.arange(N_FRAMES // 5) % n_talkers), 5)
    who = np.where(rng.random((N_BINS, N_FRAMES)) < 0.8, main, rng.integers(n_talkers, size=(N_BINS, N_FRAMES)))
    return torch.from_numpy(rng.exponential(size=(N_BINS, N_FRAMES))), torch.from_numpy(who)


def heard_with_delays(delays: tuple[float, ...], *, seed: int = 0, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return the spectrum (bins, 2, frames) of sparse talkers at two microphones, and who talks where."""
    power, who = sparse_talkers(len(delays), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    first = power.sqrt() * torch.exp(2j * np.pi * torch.rand(who.shape, generator=generator, dtype=torch.float64))
    second = 0.9 * first * torch.exp(2j * np.pi * FREQUENCIES[:, None] * torch.tensor(delays)[who])
    spectrum = torch.stack([first, second], dim=1)
    return spectrum + noise * torch.randn(spectrum.shape, generator=generator, dtype=spectrum.dtype), who


def masks(spectrum: Tensor, n_sources: int, **changes: Any) -> Tensor:
    return masks_by_delay(spectrum, FREQUENCIES, n_sources=n_sources, **{"max_delay_s": MAX_DELAY_S, **changes})


def found_delays(spectrum: Tensor, shares: Tensor) -> list[float]:
    """Return for each mask the delay that agrees best with the phases of what is in it."""
    grid = torch.arange(-2.5e-4, 2.5e-4, 2e-6, dtype=torch.float64)
    turned = torch.exp(-2j * np.pi * FREQUENCIES * grid[:, None])
    cross = spectrum[:, 1] * spectrum[:, 0].conj()
    return [float(grid[(turned @ (cross * share)).real.sum(1).argmax()]) for share in shares]


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_three_sparse_talkers_are_found_by_their_delays(noise: float) -> None:
    spectrum, who = heard_with_delays(DELAYS_S, noise=noise)
    shares = masks(spectrum, 3)
    torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))
    # In the order of the delays, to a sixteenth of a sample.
    assert found_delays(spectrum, shares) == pytest.approx(list(DELAYS_S), abs=4e-6)
    # Phases tell little at low frequencies.
    told = (shares.argmax(0) == who)[FREQUENCIES > 1000]
    assert told.double().mean() > (0.98 if noise == 0 else 0.9)


@given(seed=st.integers(0, 99), level_db=st.integers(-200, 60), n_sources=st.integers(2, 4))
@settings(max_examples=5)
def test_masks_add_up_at_any_level(seed: int, level_db: int, n_sources: int) -> None:
    spectrum, _ = heard_with_delays(DELAYS_S, seed=seed)
    shares, other = masks(spectrum, n_sources), masks(10 ** (level_db / 20) * spectrum, n_sources)
    assert shares.shape == (n_sources, N_BINS, N_FRAMES)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))
    if level_db > -100:
        torch.testing.assert_close(shares, other, rtol=1e-6, atol=1e-6)


def test_swapped_microphones_turn_the_order_around() -> None:
    spectrum, _ = heard_with_delays(DELAYS_S)
    torch.testing.assert_close(masks(spectrum.flip(1), 3), masks(spectrum, 3).flip(0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("max_delay_s", [0.0, 1e-6, 2.4e-4])
def test_silence_and_one_place_stay_finite(max_delay_s: float) -> None:
    for spectrum in (torch.zeros(N_BINS, 2, N_FRAMES, dtype=torch.complex128), heard_with_delays((0.0,))[0]):
        shares = masks(spectrum, 3, max_delay_s=max_delay_s)
        assert torch.isfinite(shares).all()
        torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))


def test_peaks_are_summits_before_anything_else() -> None:
    scores = torch.tensor([0.0, 3.0, 2.9, 0.0, 1.0, 0.5])
    assert _peaks(scores, 2) == [1, 4]
    # A third summit there is none: the highest of the rest.
    assert _peaks(scores, 3) == [1, 2, 4]
    assert _peaks(torch.zeros(4), 2) in ([0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3])
    assert _peaks(torch.tensor([5.0, 1.0, 0.0, 4.0]), 2) == [0, 3]


@given(seed=st.integers(0, 99), full_rank=st.floats(0.001, 0.5))
@settings(max_examples=10)
def test_covariances_are_of_the_steering_and_positive(seed: int, full_rank: float) -> None:
    spectrum, who = heard_with_delays(DELAYS_S, seed=seed)
    shares = torch.stack([(who == number).double() for number in range(3)])
    # In this bin nobody is heard.
    shares[:, 7] = 0
    matrices = covariances_by_mask(spectrum, shares, full_rank=full_rank)
    assert matrices.shape == (N_BINS, 3, 2, 2)
    torch.testing.assert_close(matrices, matrices.mH)
    trace = matrices.diagonal(dim1=2, dim2=3).real.mean(-1)
    torch.testing.assert_close(trace, torch.ones_like(trace))
    least, most = torch.linalg.eigvalsh(matrices).unbind(-1)
    torch.testing.assert_close(matrices[7], torch.eye(2).expand(3, 2, 2).to(matrices))
    others = torch.arange(N_BINS) != 7
    torch.testing.assert_close(least[others], torch.full_like(least[others], full_rank), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(most[others], torch.full_like(most[others], 2 - full_rank), rtol=1e-6, atol=1e-9)
    phases = torch.angle(matrices[:, :, 1, 0])
    expected = torch.angle(torch.exp(2j * np.pi * FREQUENCIES[:, None] * torch.tensor(DELAYS_S)))
    torch.testing.assert_close(torch.cos(phases - expected)[others], torch.ones(N_BINS - 1, 3).double())


def test_the_start_of_gmvae_knows_who_is_where_and_when() -> None:
    spectrum, who = heard_with_delays(DELAYS_S)
    config = GmvaeConfig()
    start = start_from_delays(spectrum[None], config, n_sources=3, sample_rate=RATE)
    assert start.covariances.shape == (1, N_BINS, 3, 2, 2)
    assert start.variances.shape == (1, 3, N_BINS, N_FRAMES)
    assert (start.variances > 0).all()
    assert (torch.linalg.eigvalsh(start.covariances) > -1e-9).all()
    power = spectrum.abs().square().mean(1)
    for number in range(3):
        own = (start.variances[0, number] * (who == number)).sum() / start.variances[0, number].sum()
        by_chance = (power * (who == number)).sum() / power.sum()
        assert own > by_chance + 0.3
    again = start_from_delays(spectrum[None], config, n_sources=3, sample_rate=RATE)
    assert torch.equal(again.variances, start.variances)


def test_a_batch_of_two_starts_as_two_singles() -> None:
    spectra = torch.stack([heard_with_delays(DELAYS_S, seed=seed)[0] for seed in range(2)])
    both = start_from_delays(spectra, GmvaeConfig(), n_sources=3, sample_rate=RATE)
    for item in range(2):
        one = start_from_delays(spectra[item : item + 1], GmvaeConfig(), n_sources=3, sample_rate=RATE)
        torch.testing.assert_close(one.variances[0], both.variances[item], rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(one.covariances[0], both.covariances[item], rtol=1e-6, atol=1e-9)


def test_sources_can_be_put_in_another_order(gaussian: Callable[..., Tensor]) -> None:
    start = SpatialStart(gaussian(2, 5, 3, 2, 2), gaussian(2, 3, 5, 7, dtype=torch.float64))
    ordered = start.ordered(torch.tensor([[2, 0, 1], [1, 0, 2]]))
    assert torch.equal(ordered.covariances[0, :, 0], start.covariances[0, :, 2])
    assert torch.equal(ordered.variances[1], start.variances[1, [1, 0, 2]])

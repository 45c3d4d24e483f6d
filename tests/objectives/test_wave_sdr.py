"""The SDR of rebuilt waves as an objective: by hand, its laws, and its KL term."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.models.contract import Decoded, Posterior, Reconstruction, Sampler
from sepvae.objectives.contract import Batch, Loss, WaveEstimate
from sepvae.objectives.elbo import kl_divergence
from sepvae.objectives.wave_sdr import WaveSdr, WaveSdrConfig, best_order_db, compressed_magnitudes, ratio_db
from sepvae.seeds import torch_generator

ZERO = torch.zeros(())


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Given:
    """An estimator whose estimates are given."""

    def __init__(self, waves: dict[str, Tensor], posterior: Posterior | None = None) -> None:
        self.waves, self.posterior = waves, posterior
        self.latent: Tensor | None = None

    def estimate(self, mixture: Tensor, sample: Sampler) -> WaveEstimate:
        if self.posterior is None:
            return WaveEstimate(self.waves, {})
        self.latent = sample(self.posterior)
        found = Reconstruction(self.posterior, None, self.latent, Decoded(self.latent, None))
        return WaveEstimate(self.waves, dict.fromkeys(self.waves, found))


def loss_of(estimator: Given, targets: dict[str, Tensor], **settings: Any) -> Loss:
    mixture = torch.stack(list(targets.values())).sum(0)
    return WaveSdr(WaveSdrConfig(**settings))(estimator, Batch(mixture, targets, 0, torch_generator(0, "noise")))


@pytest.mark.parametrize("error_db", [-20.0, 0.0, 13.0])
def test_the_ratio_is_that_of_energies(error_db: float) -> None:
    reference, error = noise(3, 1000), noise(3, 1000, seed=1)
    error *= (reference.square().sum(-1) / error.square().sum(-1)).sqrt()[:, None] * 10 ** (error_db / 20)
    found = ratio_db(reference + error, reference, floor=ZERO)
    torch.testing.assert_close(found, torch.full((3,), -error_db, dtype=torch.float64))


@given(gain=st.floats(0.01, 100), seed=st.integers(0, 5))
def test_the_scale_invariant_ratio_ignores_the_gain(gain: float, seed: int) -> None:
    reference, estimate = noise(200, seed=seed), noise(200, seed=seed + 10)
    ratios = [ratio_db(g * estimate, reference, floor=ZERO, scale_invariant=True) for g in (1.0, gain)]
    torch.testing.assert_close(*ratios)
    cosine = torch.nn.functional.cosine_similarity(estimate, reference, dim=0)
    torch.testing.assert_close(ratios[0], 10 * torch.log10(cosine**2 / (1 - cosine**2)))


def test_a_silent_source_weighs_what_leaks_into_it() -> None:
    targets = {"a": noise(1, 400), "b": torch.zeros(1, 400, dtype=torch.float64)}
    clean = loss_of(Given(targets), targets)
    leaking = loss_of(Given({"a": targets["a"], "b": 0.1 * targets["a"]}), targets)
    assert torch.isfinite(clean.total)
    # −40 dB under a leak of −20 dB: the ratio of the silent source is that of floor and leak.
    assert float(leaking.terms["b/sdr"]) == pytest.approx(10 * math.log10((0.01 + 1e-4) / 1e-4) / 2)
    assert float(clean.terms["b/sdr"]) == pytest.approx(0.0)


def test_the_loss_by_hand() -> None:
    targets = {"a": noise(2, 300), "b": noise(2, 300, seed=1)}
    posterior = Posterior(noise(2, 7, 4, seed=2), noise(2, 7, 4, seed=3))
    estimator = Given({"a": 0.5 * targets["a"], "b": 0.9 * targets["b"]}, posterior)
    loss = loss_of(estimator, targets, kl_weight=0.3, floor_db=-200.0)
    sdr = (10 * math.log10(1 / 0.25) + 10 * math.log10(1 / 0.01)) / 2
    kl = 0.3 * float(kl_divergence(posterior).mean())
    assert float(loss.total) == pytest.approx(kl - sdr)
    torch.testing.assert_close(torch.stack(list(loss.terms.values())).sum(), loss.total)
    assert estimator.latent is not None
    assert not torch.equal(estimator.latent, posterior.mean)


def test_without_noise_the_latent_is_the_mean() -> None:
    targets = {"a": noise(1, 50)}
    estimator = Given(targets, Posterior(noise(1, 3, 2), noise(1, 3, 2, seed=1)))
    loss_of(estimator, targets, epsilon_std=0.0)
    assert estimator.latent is not None
    assert estimator.posterior is not None
    assert torch.equal(estimator.latent, estimator.posterior.mean)


def test_any_order_is_the_best_of_all_of_them() -> None:
    """Against every order by hand, three sources, each item with an order of its own."""
    generator = torch.Generator().manual_seed(0)
    references = torch.randn((3, 4, 50), generator=generator)
    estimates = references + 0.3 * torch.randn((3, 4, 50), generator=generator)
    floor = torch.full((4,), 1e-3)
    given = torch.stack([ratio_db(estimates[i], references[i], floor=floor) for i in range(3)]).mean(0)
    moved = torch.stack([estimates[[(place + item) % 3 for place in range(3)], item] for item in range(4)], dim=1)
    found = best_order_db(moved, references, floor=floor)
    torch.testing.assert_close(found, given)
    one_order = torch.stack([ratio_db(moved[i], references[i], floor=floor) for i in range(3)]).mean(0)
    # Items 1 and 2 are in another order, 0 and 3 in the given one.
    assert (found[1:3] > one_order[1:3] + 3).all() and torch.equal(found[[0, 3]], one_order[[0, 3]])


def test_any_order_names_more_sources_than_it_can_order() -> None:
    waves = torch.zeros(6, 1, 4)
    with pytest.raises(ConfigError, match="6 sources have too many orders: give 5 at most"):
        best_order_db(waves, waves, floor=torch.ones(1))


def test_the_rest_stays_in_its_place_in_any_order() -> None:
    """Two sources that are exchanged cost nothing; the rest in the place of one of them does."""
    waves = noise(3, 2, 50)
    names = ("any_1", "any_2", "rest")
    targets = dict(zip(names, waves, strict=True))

    def loss(order: list[int]) -> float:
        given_waves = Given(dict(zip(names, waves[order], strict=True)))
        return float(
            WaveSdr(WaveSdrConfig(order="any"))(given_waves, Batch(waves.sum(0), targets, 0, torch_generator(0))).total
        )

    assert loss([0, 1, 2]) == pytest.approx(loss([1, 0, 2]), abs=1e-4) == pytest.approx(-35, abs=2)
    assert loss([0, 2, 1]) > loss([0, 1, 2]) + 20


def test_compressed_magnitudes_are_those_of_the_windows() -> None:
    """Against the DFT of one window by hand: of the third, which begins at the first sample."""
    wave = noise(1, 64, seed=4)
    found = compressed_magnitudes(wave, window=32, power=0.3).reshape(17, -1)
    spectrum = torch.fft.rfft(wave[0, :32] * torch.hann_window(32, dtype=torch.float64))
    expected = (spectrum.abs().square() + 32 * 1e-5).pow(0.15)
    torch.testing.assert_close(found[:, 2], expected)


def test_the_spectral_term_hears_what_is_soft() -> None:
    """A soft band that is missing costs the wave next to nothing, and the compressed magnitudes much."""
    low = torch.sin(torch.arange(4000, dtype=torch.float64) * 0.2)[None]
    soft = 0.01 * torch.sin(torch.arange(4000, dtype=torch.float64) * 2.0)[None]
    targets = {"speech": low + soft, "rest": noise(1, 4000)}
    whole, missing = ({**targets, "speech": speech} for speech in (low + soft, low))
    found = [loss_of(Given(waves), targets, spectral_weight=1.0).terms for waves in (whole, missing)]
    assert set(found[0]) == {"speech/sdr", "rest/sdr", "speech/spectral"}
    assert float(found[0]["speech/sdr"]) == pytest.approx(float(found[1]["speech/sdr"]), abs=2)
    assert float(found[1]["speech/spectral"] - found[0]["speech/spectral"]) > 5
    twice = loss_of(Given(missing), targets, spectral_weight=2.0).terms["speech/spectral"]
    torch.testing.assert_close(twice, 2 * found[1]["speech/spectral"])


def test_the_spectral_term_has_a_slope_in_silence() -> None:
    """A power below one is steep at 0, where silent targets and estimates are."""
    wave = torch.zeros(1, 2000, dtype=torch.float64, requires_grad=True)
    silent = {"speech": torch.zeros(1, 2000, dtype=torch.float64), "rest": noise(1, 2000)}
    loss_of(Given({**silent, "speech": wave}), silent, spectral_weight=1.0).total.backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_the_spectral_term_needs_an_order() -> None:
    with pytest.raises(ConfigError, match="spectral_weight: compares sources in their order"):
        parse_config(WaveSdrConfig, {"spectral_weight": 1, "order": "any"}, where="test")

"""Full-rank spatial covariances: a multichannel Wiener filter bin by bin, and a likelihood that never falls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.auxiva import AuxIvaVariances
from sepvae.demixing.covariance import noise_floor
from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.demixing.spatial import SpatialFit, fit_spatial, from_demixing
from sepvae.seeds import torch_generator

Gaussian = Callable[..., Tensor]
# Talkers and microphones: fewer, as many, and more.
shapes = pytest.mark.parametrize(("n_sources", "n_channels"), [(3, 2), (2, 2), (2, 3), (4, 3)])


class Start(NamedTuple):
    spectrum: Tensor
    covariances: Tensor
    variances: Tensor


def start(
    gaussian: Gaussian, talkers: Any, *, n_sources: int = 3, n_channels: int = 2, n_batch: int = 1, seed: int = 0
) -> Start:
    spectrum = talkers(n_batch=n_batch, n_sources=n_sources, n_channels=n_channels, n_frames=30, seed=seed).spectrum
    roots = gaussian(n_batch, 5, n_sources, n_channels, n_channels, seed=seed + 7)
    variances = gaussian(n_batch, n_sources, 5, 30, seed=seed + 8, dtype=torch.float64).square() + 0.01
    return Start(spectrum, roots @ roots.mH, variances)


def fit(begin: Start, model: Any = None, *, n_iterations: int, microphone: Tensor | None = None) -> SpatialFit:
    n_batch, n_bins, n_channels, _ = begin.spectrum.shape
    if microphone is None:
        microphone = torch.eye(n_channels).to(begin.spectrum)[0].expand(n_batch, n_bins, n_channels)
    return fit_spatial(
        begin.spectrum,
        model or AuxIvaVariances("gauss"),
        covariances=begin.covariances,
        variances=begin.variances,
        n_iterations=n_iterations,
        microphone=microphone,
        fit_sources=model is not None,
    )


def mixtures(begin: Start) -> Any:
    """Return Σⱼ vⱼ Rⱼ + noise · I (batch, bins, frames, channels, channels) by einsum."""
    total = np.einsum("bjfn,bfjcd->bfncd", begin.variances.numpy(), begin.covariances.numpy())
    noise = noise_floor(begin.spectrum).numpy()
    return total + noise[:, :, None, None, None] * np.eye(begin.spectrum.shape[2])


@shapes
def test_images_are_those_of_the_wiener_filter(
    gaussian: Gaussian, talkers: Any, n_sources: int, n_channels: int
) -> None:
    """vⱼ Rⱼ X⁻¹ x, one bin and one frame at a time."""
    begin = start(gaussian, talkers, n_sources=n_sources, n_channels=n_channels)
    found, total, x = fit(begin, n_iterations=0), mixtures(begin)[0], begin.spectrum[0].numpy()
    for bin_, frame in np.ndindex(5, 30):
        whitened = np.linalg.solve(total[bin_, frame], x[bin_, :, frame])
        for source in range(n_sources):
            filtered = begin.covariances[0, bin_, source].numpy() @ whitened
            expected = begin.variances[0, source, bin_, frame].item() * filtered[0]
            assert found.images[0, bin_, source, frame].item() == pytest.approx(expected, rel=1e-7, abs=1e-9)


@shapes
def test_the_objective_is_the_negative_log_likelihood(
    gaussian: Gaussian, talkers: Any, n_sources: int, n_channels: int
) -> None:
    begin = start(gaussian, talkers, n_sources=n_sources, n_channels=n_channels, n_batch=2)
    total, frames = mixtures(begin), begin.spectrum.numpy().transpose(0, 1, 3, 2)
    whitened = np.linalg.solve(total, frames[..., None])[..., 0]
    costs = np.linalg.slogdet(total)[1] + (frames.conj() * whitened).sum(-1).real
    np.testing.assert_allclose(fit(begin, n_iterations=0).objective[0].numpy(), costs.mean((1, 2)), rtol=1e-9)


def test_images_add_up_to_the_microphone_but_for_its_noise(gaussian: Gaussian, talkers: Any) -> None:
    begin = start(gaussian, talkers)
    found = fit(begin, n_iterations=4)
    for place in range(2):
        microphone = torch.eye(2).to(begin.spectrum)[place].expand(1, 5, 2)
        images = fit(begin, n_iterations=4, microphone=microphone).images
        torch.testing.assert_close(images.sum(2), begin.spectrum[:, :, place], rtol=0, atol=1e-5)
    assert found.images.shape == (1, 5, 3, 30)


def test_a_microphone_is_any_row_of_the_channels(gaussian: Gaussian, talkers: Any) -> None:
    begin, row = start(gaussian, talkers, n_channels=3), gaussian(1, 5, 3, seed=9)
    eye = torch.eye(3).to(begin.spectrum)
    each = [fit(begin, n_iterations=2, microphone=eye[place].expand(1, 5, 3)).images for place in range(3)]
    expected = sum(row[:, :, place, None, None] * images for place, images in enumerate(each))
    found = fit(begin, n_iterations=2, microphone=row).images
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@shapes
@given(seed=st.integers(0, 99))
@settings(max_examples=8)
def test_the_objective_never_rises_when_space_alone_is_fitted(
    gaussian: Gaussian, talkers: Any, n_sources: int, n_channels: int, seed: int
) -> None:
    begin = start(gaussian, talkers, n_sources=n_sources, n_channels=n_channels, seed=seed)
    objective = fit(begin, n_iterations=6).objective
    assert objective.shape == (7, 1)
    assert (objective.diff(dim=0) <= 1e-6 * (1 + objective[1:].abs())).all()
    assert objective[-1] < objective[0] - 0.01


@shapes
@given(seed=st.integers(0, 99))
@settings(max_examples=8)
def test_the_objective_never_rises_with_sources_of_low_rank(
    gaussian: Gaussian, talkers: Any, n_sources: int, n_channels: int, seed: int
) -> None:
    begin = start(gaussian, talkers, n_sources=n_sources, n_channels=n_channels, seed=seed)
    model = IlrmaVariances(2, [torch_generator(seed, "test")])
    # From variances that the model has.
    begin = begin._replace(variances=model.fit(begin.variances).variances)
    objective = fit(begin, model, n_iterations=6).objective
    assert (objective.diff(dim=0) <= 1e-6 * (1 + objective[1:].abs())).all()


def test_an_update_solves_the_riccati_equation(gaussian: Gaussian, talkers: Any) -> None:
    """R A R = B with A = Σ vX⁻¹ and B = R (Σ v X⁻¹xxᴴX⁻¹) R, by matrix roots of SciPy."""
    begin = start(gaussian, talkers)
    found, total = fit(begin, n_iterations=1).covariances[0].numpy(), mixtures(begin)[0]
    x = begin.spectrum[0].numpy().transpose(0, 2, 1)
    for bin_, source in np.ndindex(5, 3):
        inverse, v = np.linalg.inv(total[bin_]), begin.variances[0, source, bin_].numpy()
        whitened = np.einsum("ncd,nd->nc", inverse, x[bin_])
        a = np.einsum("n,ncd->cd", v, inverse)
        before, after = begin.covariances[0, bin_, source].numpy(), found[bin_, source]
        b = before @ np.einsum("n,nc,nd->cd", v, whitened, whitened.conj()) @ before
        np.testing.assert_allclose(after @ a @ after, b, rtol=1e-5, atol=1e-7 * np.abs(b).max())
        root = scipy.linalg.sqrtm(a)
        expected = np.linalg.inv(root) @ scipy.linalg.sqrtm(root @ b @ root) @ np.linalg.inv(root)
        np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


def test_expected_powers_are_those_of_the_posterior(gaussian: Gaussian, talkers: Any) -> None:
    """tr(R⁻¹ E[ccᴴ|x]) / I with E[ccᴴ|x] = μμᴴ + (I − vRX⁻¹) vR (Duong et al. 2010)."""

    class Spy(AuxIvaVariances):
        seen: Tensor

        def fit(self, power: Tensor) -> Any:
            self.seen = power
            return super().fit(power)

    begin, model = start(gaussian, talkers), Spy("gauss")
    covariances = fit(begin, n_iterations=1).covariances
    fit(begin, model, n_iterations=1)
    total, x = mixtures(begin._replace(covariances=covariances))[0], begin.spectrum[0].numpy()
    for bin_, frame, source in np.ndindex(5, 30, 3):
        r = covariances[0, bin_, source].numpy()
        share = begin.variances[0, source, bin_, frame].item() * r
        gain = share @ np.linalg.inv(total[bin_, frame])
        mean = gain @ x[bin_, :, frame]
        expected = np.outer(mean, mean.conj()) + share - gain @ share
        power = np.trace(np.linalg.solve(r, expected)).real / 2
        assert model.seen[0, source, bin_, frame].item() == pytest.approx(power, rel=1e-5)


@pytest.mark.parametrize("n_channels", [2, 3])
def test_scaling_the_input_scales_the_images(gaussian: Gaussian, talkers: Any, n_channels: int) -> None:
    begin = start(gaussian, talkers, n_channels=n_channels)
    loud = begin._replace(spectrum=1e3 * begin.spectrum, variances=1e6 * begin.variances)
    one, other = (
        fit(item, IlrmaVariances(2, [torch_generator(0, "test")]), n_iterations=3).images for item in (begin, loud)
    )
    torch.testing.assert_close(other / 1e3, one, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("level", [1e-9, 1e-5, 1.0, 1e6])
@pytest.mark.parametrize("n_channels", [2, 3])
def test_any_level_stays_finite_in_single_precision(
    gaussian: Gaussian, talkers: Any, level: float, n_channels: int
) -> None:
    """With a bin and a frame of digital silence too."""
    begin = start(gaussian, talkers, n_channels=n_channels)
    spectrum = level * begin.spectrum.to(torch.complex64)
    spectrum[:, 0] = 0
    spectrum[..., 3] = 0
    quiet = Start(spectrum, begin.covariances.to(torch.complex64), (level**2 * begin.variances).float())
    found = fit(quiet, IlrmaVariances(2, [torch_generator(0, "test")]), n_iterations=5)
    assert torch.isfinite(torch.view_as_real(found.images)).all()
    assert torch.isfinite(found.objective).all()
    torch.testing.assert_close(found.images.sum(2), spectrum[:, :, 0], rtol=0, atol=1e-2 * level)


def test_a_batch_of_two_is_two_singles(gaussian: Gaussian, talkers: Any) -> None:
    begin = start(gaussian, talkers, n_batch=2)
    both = fit(begin, n_iterations=3)
    for item in range(2):
        alone = fit(Start(*(values[item : item + 1] for values in begin)), n_iterations=3)
        torch.testing.assert_close(both.images[item], alone.images[0], rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(both.objective[:, item], alone.objective[:, 0], rtol=1e-9, atol=0)


def test_the_order_of_the_other_microphones_is_rounding(gaussian: Gaussian, talkers: Any) -> None:
    begin, order = start(gaussian, talkers, n_channels=3), [0, 2, 1]
    swapped = begin._replace(
        spectrum=begin.spectrum[:, :, order], covariances=begin.covariances[:, :, :, order][..., order]
    )
    torch.testing.assert_close(
        fit(swapped, n_iterations=3).images, fit(begin, n_iterations=3).images, rtol=1e-7, atol=1e-8
    )


@pytest.mark.parametrize("full_rank", [0.1, 0.9])
def test_a_start_from_demixing_is_its_steering_and_a_share_from_everywhere(
    gaussian: Gaussian, full_rank: float
) -> None:
    demixing = gaussian(2, 3, 3, 3)
    found, mixing = from_demixing(demixing, full_rank=full_rank).numpy(), np.linalg.inv(demixing.numpy())
    for batch, bin_, source in np.ndindex(2, 3, 3):
        column = mixing[batch, bin_, :, source]
        everywhere = np.eye(3) * (np.abs(column) ** 2).mean()
        expected = (1 - full_rank) * np.outer(column, column.conj()) + full_rank * everywhere
        np.testing.assert_allclose(found[batch, bin_, source], expected, rtol=1e-9, atol=1e-12)
    powers = np.einsum("bfjcc->bfj", found).real
    np.testing.assert_allclose(powers, (np.abs(mixing) ** 2).sum(2), rtol=1e-9)


def test_three_talkers_of_two_microphones_are_told_apart_by_their_true_variances(talkers: Any) -> None:
    """From spatial covariances that know nothing: what GMVAE could reach with a perfect model of speech."""
    sources, mixing, spectrum = talkers(n_sources=3, n_channels=2, n_frames=300, seed=3)
    variances = sources.abs().square().transpose(1, 2)
    eye = torch.eye(2, dtype=spectrum.dtype).expand(1, 5, 3, 2, 2)
    found = fit(Start(spectrum, eye, variances), n_iterations=30)
    images = mixing[:, :, 0, :, None] * sources
    error = (found.images - images).abs().square().sum((0, 1, 3))
    before = (spectrum[:, :, :1] - images).abs().square().sum((0, 1, 3))
    assert (10 * torch.log10(before / error) > 10).all()

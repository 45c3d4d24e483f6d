"""What every update of demixing matrices keeps: no sweep raises the objective, and y = W x."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.covariance import Observation, with_past
from sepvae.demixing.updates import Update, log_determinants, updates_with_past
from sepvae.testing.contract import expect


def objective(demixing: Tensor, observation: Observation, weights: Tensor) -> Tensor:
    """Return Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W| of each bin."""
    covariances = observation.covariances(weights)
    quadratic: Tensor = torch.einsum("bfjc,bfjcd,bfjd->bf", demixing, covariances, demixing.conj()).real
    log_determinant: Tensor = torch.linalg.slogdet(demixing[..., : demixing.shape[2]]).logabsdet
    return quadratic - 2 * log_determinant


def descends(name: str, *, size: int, n_frames: int, n_taps: int = 0, seed: int = 0) -> None:
    """Raise AssertionError when one of three sweeps of an update raises the objective of a bin."""
    update: Update = UPDATES.resolve(name)

    def draw(*shape: int, offset: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed + offset), dtype=dtype)

    observation = Observation(with_past(draw(1, 3, size, n_frames), delay=2, n_taps=n_taps))
    demixing = draw(1, 3, size, size * (1 + n_taps), offset=1)
    separated = demixing @ observation.spectrum
    weights = torch.exp(draw(1, 3, n_frames, size, offset=2, dtype=torch.float64))
    slack = 1e-9 if n_frames > 2 * size else 1e-6
    for sweep in range(3):
        before = objective(demixing, observation, weights)
        demixing, separated = update(demixing, separated, observation, weights)
        after = objective(demixing, observation, weights)
        falls = bool((after <= before + slack * (1 + before.abs())).all())
        what = f"{size} channels, {n_frames} frames, {n_taps} taps, seed {seed}, sweep {sweep}"
        expect(falls, f"{what}: from {before.tolist()} to {after.tolist()}")


def check_no_sweep_raises_the_objective(name: str) -> None:
    """Sweeps do not raise the objective of any bin, of 2 to 5 channels, also with fewer frames than channels."""
    rng = random.Random(0)  # noqa: S311
    for seed in range(60):
        descends(name, size=rng.randint(2, 5), n_frames=rng.randint(1, 30), seed=seed)


def check_no_sweep_with_the_past_raises_the_objective(name: str) -> None:
    """Nor do they with channels of the past, where an update `takes_past`."""
    rng = random.Random(0)  # noqa: S311
    for seed in range(30 if name in updates_with_past() else 0):
        descends(name, size=rng.randint(2, 3), n_taps=rng.randint(1, 3), n_frames=40, seed=seed)


def check_a_sweep_gives_matrices_and_what_they_separate(name: str) -> None:
    """It returns y = W x, keeps items of a batch apart, and leaves what it is given as it was."""
    update, size = UPDATES.resolve(name), 3
    generator = torch.Generator().manual_seed(0)
    spectrum, demixing = (torch.randn(2, 3, size, n, generator=generator, dtype=torch.complex128) for n in (40, size))
    weights = torch.rand(2, 3, 40, size, generator=generator, dtype=torch.float64) + 0.1
    kept, separated = demixing.clone(), demixing @ spectrum
    found, changed = update(demixing, separated, Observation(spectrum), weights)
    torch.testing.assert_close(changed, found @ spectrum, rtol=1e-9, atol=1e-10)
    same = torch.equal(demixing, kept) and torch.equal(separated, demixing @ spectrum)
    expect(same, "it changes the matrices or spectra that it is given")
    for item in range(2):
        one = slice(item, item + 1)
        alone, _ = update(demixing[one], separated[one], Observation(spectrum[one]), weights[one])
        torch.testing.assert_close(alone[0], found[item], rtol=1e-9, atol=1e-10)


def check_white_channels_and_flat_variances_are_left_as_they_are(name: str) -> None:
    """Where channels are white and variances flat the identity is a minimum, and stays."""
    for size in (2, 3, 5):
        n_frames = 32
        noise = torch.randn(1, 3, n_frames, size, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
        spectrum = torch.linalg.qr(noise).Q.mT * n_frames**0.5
        eye = torch.eye(size, dtype=torch.complex128).expand(1, 3, size, size)
        weights = torch.ones(1, 1, n_frames, size, dtype=torch.float64)
        found, separated = UPDATES.resolve(name)(eye, spectrum.clone(), Observation(spectrum), weights)
        torch.testing.assert_close(found, eye, atol=1e-8, rtol=0)
        torch.testing.assert_close(separated, spectrum, atol=1e-8, rtol=0)


def check_a_silent_bin_spoils_nothing(name: str) -> None:
    """A bin without sound stays silent, and everything finite, in single and double precision."""
    for size, dtype in ((2, torch.complex64), (3, torch.complex64), (2, torch.complex128), (3, torch.complex128)):
        noise = torch.randn(1, 2, size, 20, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
        spectrum = noise.to(dtype)
        spectrum[:, 0] = 0
        observation, demixing = Observation(spectrum), torch.eye(size, dtype=dtype).expand(1, 2, size, size)
        weights, separated = torch.ones(1, 1, 20, size, dtype=spectrum.real.dtype), spectrum
        for _ in range(4):
            demixing, separated = UPDATES.resolve(name)(demixing, separated, observation, weights)
        finite = torch.isfinite(torch.view_as_real(demixing)).all() and torch.isfinite(log_determinants(demixing)).all()
        expect(bool(finite), f"{size} channels of {dtype}: matrices {demixing[:, 0].tolist()}")
        expect(not separated[:, 0].any(), f"{size} channels of {dtype}: the silent bin sounds")

"""What every likelihood keeps: −log p(target | decoded) element by element, least where the decoder is right."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.models.contract import Decoded
from sepvae.objectives import LIKELIHOODS
from sepvae.testing.contract import expect


def values(*shape: int, seed: int = 0, low: float = 0.01, high: float = 3.0) -> Tensor:
    """Return numbers between two, in double precision."""
    uniform = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * uniform


def _nll(name: str, target: Tensor, spectrum: Tensor) -> Tensor:
    found: Tensor = LIKELIHOODS.resolve(name)(target, Decoded(spectrum, torch.zeros_like(target)), 1.0)
    return found


def check_elements_are_independent(name: str) -> None:
    """It has a value for each element of the target, which depends on that element alone."""
    target, spectrum = values(2, 3, 4, high=0.9), values(2, 3, 4, high=0.9, seed=1)
    found = _nll(name, target, spectrum)
    expect(found.shape == target.shape, f"a target of shape {tuple(target.shape)} has values {tuple(found.shape)}")
    alone = torch.stack([_nll(name, t, s) for t, s in zip(target.flatten(), spectrum.flatten(), strict=True)])
    torch.testing.assert_close(found.flatten(), alone.flatten())


def check_least_where_the_decoder_is_right(name: str) -> None:
    """A spectrum that is 0.3 to 3 times the target is less likely than the target itself."""
    target = values(50, high=0.3)
    right = _nll(name, target, target)
    for factor in (0.3, 0.9, 1.1, 3.0):
        lower = _nll(name, target, factor * target) <= right
        expect(not lower.any(), f"{factor} times the target is as likely as it, for targets {target[lower].tolist()}")


def check_the_gradient_vanishes_where_the_decoder_is_right(name: str) -> None:
    """At the target itself the gradient by the decoded spectrum is 0."""
    target = values(50, high=0.9)
    spectrum = target.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_nll(name, target, spectrum).sum(), spectrum)
    expect(float(gradient.abs().max()) < 1e-9, f"the gradient is up to {float(gradient.abs().max())}")


def check_silence_and_extreme_levels_stay_finite(name: str) -> None:
    """Targets and spectra of 0 to 1e3 have finite values and gradients in single precision."""
    for target_level in (0.0, 1e-20, 1.0, 1e3):
        for decoded_level in (0.0, 1e-20, 1.0, 1e3):
            spectrum = torch.full((3,), decoded_level, requires_grad=True)
            nll = _nll(name, torch.full((3,), target_level), spectrum)
            (gradient,) = torch.autograd.grad(nll.sum(), spectrum)
            finite = bool(torch.isfinite(nll).all() and torch.isfinite(gradient).all())
            expect(finite, f"{target_level:g} decoded as {decoded_level:g} costs {nll[0]}, with gradient {gradient[0]}")

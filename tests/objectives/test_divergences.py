"""Divergences of samples: laws, closed forms for Gaussians, a reference in double precision, gradients, and memory."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.errors import InputError
from sepvae.objectives import DIVERGENCES, divergences
from sepvae.objectives.divergences import (
    cauchy_schwarz_divergence,
    euclidean_divergence,
    log_cross_potential,
    log_information_potential,
    median_kernel_variance,
)
from sepvae.testing.divergences import normal, obeys

Divergence = Callable[..., Tensor]
both = pytest.mark.parametrize("divergence", [cauchy_schwarz_divergence, euclidean_divergence])


def naive_potential(left: Tensor, right: Tensor, kernel_variance: float) -> Tensor:
    distances = (left.double()[:, None] - right.double()[None]).square().sum(-1)
    return (-distances / (2 * kernel_variance)).exp().mean()


@pytest.mark.parametrize("name", DIVERGENCES)
@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    d=st.integers(1, 6),
    shift=st.floats(0, 5),
    variance=st.floats(0.05, 50),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_laws_of_a_divergence(name: str, n: int, m: int, d: int, shift: float, variance: float, seed: int) -> None:
    left, right = normal(n, d, seed=seed), normal(m, d, seed=seed + 1) + shift
    obeys(name, left, right, variance)
    # Ours are symmetric too.
    both_ways = [DIVERGENCES.resolve(name)(*sets, kernel_variance=variance) for sets in ((left, right), (right, left))]
    torch.testing.assert_close(*both_ways, atol=1e-12, rtol=1e-9)


def test_the_widths_of_the_survey_are_no_divergence() -> None:
    """σ² in the potentials of a set and 2σ² between sets, as Eqs. (82) and (84) print them: D(X, X) is not 0."""
    samples = normal(50, 2, seed=0)
    own, across = naive_potential(samples, samples, 1.0), naive_potential(samples, samples, 2.0)
    assert float(2 * own.log() - 2 * across.log()) < -0.1


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("d", [1, 7, 256])
def test_potentials_are_those_of_all_pairs(d: int, blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if blocked:
        monkeypatch.setattr(divergences, "_PAIRS", 100)
    left, right, variance = normal(37, d, seed=0), normal(53, d, seed=1) + 0.3, 1.5 * d
    found = log_cross_potential(left, right, kernel_variance=variance)
    torch.testing.assert_close(found, naive_potential(left, right, variance).log())
    narrow = log_cross_potential(left.float(), right.float(), kernel_variance=variance)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), found, atol=1e-5, rtol=1e-5)


def test_nothing_underflows_in_many_dimensions() -> None:
    """Kernels of e^-2000 are 0 in float32; their logarithm, and its gradient, are not."""
    left, right = normal(20, 256, seed=0, dtype=torch.float32), 4 + normal(20, 256, seed=1, dtype=torch.float32)
    left.requires_grad_()
    divergence = cauchy_schwarz_divergence(left, right, kernel_variance=1.0)
    divergence.backward()  # type: ignore[no-untyped-call]
    assert float(divergence.detach()) > 1000
    assert left.grad is not None
    assert torch.isfinite(left.grad).all()
    assert float(left.grad.abs().max()) > 0.1


def test_gaussians_have_their_closed_form() -> None:
    """The mean kernel between N(m, s²) and N(n, t²) is a Gaussian of variance 2σ² + s² + t², at m − n."""
    s, t, shift, variance, d = 0.7, 1.3, 1.0, 2.0, 2
    left, right = s * normal(3000, d, seed=0), t * normal(3000, d, seed=1) + shift

    def closed(spread: float, distance: float) -> float:
        total = variance + spread
        return float((variance / total) ** (d / 2) * math.exp(-d * distance**2 / (2 * total)))

    potentials = closed(2 * s**2, 0), closed(2 * t**2, 0), closed(s**2 + t**2, shift)
    pairs = (left, left), (right, right), (left, right)
    found = [float(log_cross_potential(*pair, kernel_variance=variance).exp()) for pair in pairs]
    assert found == pytest.approx(potentials, rel=0.03)
    ed = euclidean_divergence(left, right, kernel_variance=variance)
    cs = cauchy_schwarz_divergence(left, right, kernel_variance=variance)
    assert float(ed) == pytest.approx(found[0] + found[1] - 2 * found[2])
    assert float(cs) == pytest.approx(math.log(found[0] * found[1] / found[2] ** 2))


def test_mixed_precision_does_not_round_the_exponents() -> None:
    left, right = normal(30, 64, seed=0, dtype=torch.float32), normal(30, 64, seed=1, dtype=torch.float32)
    left.requires_grad_()

    def value_and_gradient() -> tuple[Tensor, Tensor]:
        value = cauchy_schwarz_divergence(left, right, kernel_variance=0.5)
        return value, torch.autograd.grad(value, left)[0]

    expected = value_and_gradient()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(value_and_gradient(), expected)


@both
def test_gradients_block_by_block_are_those_of_finite_differences(
    divergence: Divergence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divergences, "_PAIRS", 8)
    left, right = normal(5, 3, seed=0).requires_grad_(), (normal(7, 3, seed=1) + 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: divergence(a, b, kernel_variance=1.7), (left, right))


def test_descending_brings_a_set_to_the_other() -> None:
    target, moving = normal(60, 2, seed=0), (0.3 * normal(60, 2, seed=1) + 2).requires_grad_()
    optimiser = torch.optim.Adam([moving], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        loss = cauchy_schwarz_divergence(moving, target, kernel_variance=1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    torch.testing.assert_close(moving.detach().mean(0), target.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(moving.detach().std(0), target.std(0), atol=0.3, rtol=0)


def test_the_median_kernel_follows_the_scale() -> None:
    left, right = normal(300, 40, seed=0), normal(200, 40, seed=1)
    variance = median_kernel_variance(left, right)
    # Squared distances of standard normals have the mean 2 d.
    assert variance == pytest.approx(80, rel=0.1)
    assert median_kernel_variance(3 * left, 3 * right) == pytest.approx(9 * variance)
    assert median_kernel_variance(torch.zeros(4, 2), torch.zeros(4, 2)) == 1.0
    assert median_kernel_variance(normal(20_000, 2, seed=0), right[:, :2]) > 0


@pytest.mark.parametrize(("left", "right"), [((3, 2), (3, 4)), ((0, 2), (3, 2)), ((3,), (3,)), ((2, 3, 2), (3, 2))])
def test_sets_that_cannot_be_compared_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"give two sets \(samples, dimensions\) of the same dimensions"):
        log_cross_potential(torch.zeros(left), torch.zeros(right), kernel_variance=1.0)


def test_a_set_with_itself_is_its_own_potential() -> None:
    samples = normal(9, 2, seed=0)
    one = log_information_potential(samples, kernel_variance=1.0)
    assert torch.equal(one, log_cross_potential(samples, samples, kernel_variance=1.0))


MEMORY = """
import pathlib, torch
from sepvae.objectives.divergences import cauchy_schwarz_divergence
torch.set_num_threads(1)
left, right = torch.randn(2, 8192, 32)
left.requires_grad_()
cauchy_schwarz_divergence(left[:64], right[:64], kernel_variance=32.0).backward()
def peak_mb():
    # Not ru_maxrss: a child's starts at its parent's.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
before = peak_mb()
cauchy_schwarz_divergence(left, right, kernel_variance=32.0).backward()
print(peak_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
def test_memory_is_linear_in_the_samples() -> None:
    """8192 samples of 32 dimensions, forward and backward; all pairs at once would take several times 268 MB."""
    result = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 5 < float(result.stdout) < 400

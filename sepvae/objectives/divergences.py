"""Divergences between two sets of samples by Parzen windows, in memory linear in the number of samples.

Information potentials of Principe 2010, chs. 2 and 10, as the ITL-autoencoder of Santana et al. 2016 uses them. With
Gaussian windows of variance σ² the integral of the product of two densities is a mean of Gaussian kernels of variance
2σ² over all pairs of samples. That one kernel stands in all three terms here. Singh & Ogunfunmi 2022, Eqs. (82)–(85),
print σ² in the potentials of a set and 2σ² between sets; then D(X, X) is not 0 and D may be negative.

Kernels have a peak of 1, without the factor (4πσ²)^(-d/2) of a density, which overflows for many dimensions. It cancels
in the Cauchy–Schwarz divergence; the Euclidean one is, without it, the squared maximum mean discrepancy (Gretton et al.
2012, Eq. 5).
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from sepvae.errors import InputError

# Pairs whose kernels are in memory at once: 16 MB of float32.
_PAIRS = 1 << 22
# Samples of each set that the median distance is taken over.
_MEDIAN_SAMPLES = 512


def _augmented(left: Tensor, right: Tensor, kernel_variance: float) -> tuple[Tensor, Tensor]:
    """Return matrices whose product is the exponent −‖a − b‖² / (2 · kernel_variance) of every pair.

    One product instead of a product, two sums and a scaling over all pairs.
    """
    # Distances do not change with the origin; near it, their rounding errors are smallest.
    origin, scale = right.mean(0), math.sqrt(kernel_variance)
    a, b = (left - origin) / scale, (right - origin) / scale
    ones_a, ones_b = a.new_ones(len(a), 1), b.new_ones(len(b), 1)
    half_a, half_b = -0.5 * a.square().sum(1, keepdim=True), -0.5 * b.square().sum(1, keepdim=True)
    return torch.cat([a, half_a, ones_a], 1), torch.cat([b, ones_b, half_b], 1)


class _LogMeanKernel(torch.autograd.Function):
    """log of the mean kernel over all pairs, block by block; the backward pass computes the blocks again."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, kernel_variance: float) -> Tensor:
        a, b = _augmented(left, right, kernel_variance)
        rows = max(1, _PAIRS // len(b))
        logs = []
        for block in torch.split(a, rows):
            # Rounding may leave the exponent of a pair of equal samples above 0.
            exponents = (block @ b.T).clamp_(max=0)
            peak = exponents.max()
            logs.append(peak + exponents.sub_(peak).exp_().sum().log())
        log_sum = torch.stack(logs).logsumexp(0)
        ctx.save_for_backward(left, right, log_sum)
        ctx.kernel_variance = kernel_variance
        return log_sum - math.log(len(left) * len(right))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right, log_sum = ctx.saved_tensors
        a, b = _augmented(left, right, ctx.kernel_variance)
        rows = max(1, _PAIRS // len(b))
        to_left, to_right, columns = torch.empty_like(left), torch.zeros_like(right), right.new_zeros(len(right))
        for block, samples, out in zip(
            torch.split(a, rows), torch.split(left, rows), torch.split(to_left, rows), strict=True
        ):
            weights = (block @ b.T).clamp_(max=0).sub_(log_sum).exp_()
            torch.addmm(samples * weights.sum(1)[:, None], weights, right, alpha=-1, out=out)
            to_right.addmm_(weights.T, samples, alpha=-1)
            columns += weights.sum(0)
        to_right += right * columns[:, None]
        factor = -gradients[0] / ctx.kernel_variance
        return to_left * factor, to_right * factor, None


def log_cross_potential(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return the log of the cross information potential of two sets of samples, a scalar; at most 0.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: variance 2σ² of the kernel, that of two Parzen windows of variance σ².

    Raises:
        InputError: sets of no samples, or of different dimensions.

    Source: Principe 2010, Eq. (10.18).
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or not len(left) or not len(right):
        raise InputError(
            f"samples of shapes {tuple(left.shape)} and {tuple(right.shape)}: give two sets (samples, dimensions) of "
            "the same dimensions"
        )
    return cast("Tensor", _LogMeanKernel.apply(left, right, kernel_variance))  # type: ignore[no-untyped-call]


def log_information_potential(samples: Tensor, *, kernel_variance: float) -> Tensor:
    """Return the log of the quadratic information potential of a set (n, dimensions), a scalar.

    Source: Principe 2010, Eq. (2.14).
    """
    return log_cross_potential(samples, samples, kernel_variance=kernel_variance)


def quadratic_entropy(samples: Tensor, *, kernel_variance: float) -> Tensor:
    """Return Rényi's quadratic entropy of the Parzen density of a set (n, dimensions), in nats.

    Source: Principe 2010, Eq. (2.12); here with the factor of the density, as entropies of different widths compare.
    """
    constant = 0.5 * samples.shape[1] * math.log(2 * math.pi * kernel_variance)
    return constant - log_information_potential(samples, kernel_variance=kernel_variance)


def cauchy_schwarz_divergence(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return D = log V(X) + log V(Y) − 2 log V(X, Y) ≥ 0 of two sets of samples, 0 for the same set.

    Twice the value of code that takes the logarithm of the square roots.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: as `log_cross_potential`.

    Source: Singh & Ogunfunmi 2022, Eq. (83), with one kernel; Principe 2010, Eq. (2.31).

    Example:
        >>> points = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> cauchy_schwarz_divergence(points, points, kernel_variance=1.0).item()
        0.0
    """
    own = [log_information_potential(samples, kernel_variance=kernel_variance) for samples in (left, right)]
    return own[0] + own[1] - 2 * log_cross_potential(left, right, kernel_variance=kernel_variance)


def euclidean_divergence(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return D = V(X) + V(Y) − 2 V(X, Y), in [0, 2], of two sets of samples, 0 for the same set.

    Where the sets are many kernel widths apart, V(X, Y) and its gradient vanish: widen the kernel.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: as `log_cross_potential`.

    Source: Singh & Ogunfunmi 2022, Eq. (82), with one kernel; Gretton et al. 2012, Eq. (5).
    """
    own = [log_information_potential(samples, kernel_variance=kernel_variance).exp() for samples in (left, right)]
    across = log_cross_potential(left, right, kernel_variance=kernel_variance).exp()
    # Rounding alone can make it negative.
    return (own[0] + own[1] - 2 * across).clamp_min(0)


def median_kernel_variance(left: Tensor, right: Tensor) -> float:
    """Return the median squared distance between two sets: a kernel variance that fits any number of dimensions.

    A fixed one does not: squared distances grow with the dimensions, and kernels vanish. No gradient flows through it.
    It is taken over at most 512 samples of each set, evenly spaced, and is 1 where more than half of them coincide.
    """
    a, b = (samples.detach()[:: -(-len(samples) // _MEDIAN_SAMPLES)] for samples in (left, right))
    median = float(torch.cdist(a, b).square().median())
    return median if median > 0 else 1.0

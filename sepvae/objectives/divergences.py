"""Divergences between two sets of samples by Parzen windows, in memory linear in the number of samples.

Information potentials of Principe 2010, chs. 2 and 10, as the ITL-autoencoder of Santana et al. 2016 uses them. With
Gaussian windows of variance σ² the integral of the product of two densities is a mean of Gaussian kernels of variance
2σ² over all pairs of samples. That one kernel stands in all three terms here. Singh & Ogunfunmi 2022 print σ² in the
potential of a set, Eq. (82), and 2σ² between sets, Eq. (84); then D(X, X) is not 0 and D may be negative.

Kernels have a peak of 1, without the factor (4πσ²)^(-d/2) of a density, which overflows for many dimensions. It cancels
in the Cauchy–Schwarz divergence; the Euclidean one is, without it, the squared maximum mean discrepancy (Gretton et al.
2012, Eq. 5).
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sepvae.errors import InputError

# Pairs whose kernels are in memory at once: 4 MB of float32, which caches hold.
_PAIRS = 1 << 20
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


def _full_precision(values: Tensor) -> torch.autocast:
    """Return a context in which products are not rounded: the exponents of narrow kernels would be wrong by factors."""
    return torch.autocast(values.device.type, enabled=False)


class _LogMeanKernel(torch.autograd.Function):
    """log of the mean kernel over all pairs, block by block; the backward pass computes the blocks again.

    `right` is None for the pairs of a set with itself, whose gradient needs one product less.
    """

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor | None, kernel_variance: float) -> Tensor:
        logs = []
        with _full_precision(left):
            a, b = _augmented(left, left if right is None else right, kernel_variance)
            for block in torch.split(a, max(1, _PAIRS // len(b))):
                # Rounding may leave the exponent of a pair of equal samples above 0.
                exponents = (block @ b.T).clamp_(max=0)
                peak = exponents.max()
                logs.append(peak + exponents.sub_(peak).exp_().sum().log())
        log_sum = torch.stack(logs).logsumexp(0)
        ctx.save_for_backward(left, right, log_sum)
        ctx.kernel_variance = kernel_variance
        return log_sum - math.log(len(a) * len(b))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        left, right, log_sum = ctx.saved_tensors
        for_left, for_right, _ = ctx.needs_input_grad
        d, to_left = left.shape[1], torch.empty_like(left) if for_left else None
        with _full_precision(left):
            a, b = _augmented(left, left if right is None else right, ctx.kernel_variance)
            sums = torch.zeros_like(b) if for_right else None
            rows = max(1, _PAIRS // len(b))
            for start in range(0, len(a), rows):
                block = a[start : start + rows]
                weights = (block @ b.T).clamp_(max=0).sub_(log_sum).exp_()
                if to_left is not None:
                    # The column of ones in `b` sums the weights of every row; that in `a`, of every column.
                    pulled = weights @ b
                    to_left[start : start + rows] = pulled[:, :d] - block[:, :d] * pulled[:, d : d + 1]
                if sums is not None:
                    sums.addmm_(weights.T, block)
        factor = gradients[0] / math.sqrt(ctx.kernel_variance)
        if to_left is not None:
            to_left *= factor * (2 if right is None else 1)
        return to_left, None if sums is None else (sums[:, :d] - b[:, :d] * sums[:, d + 1 :]) * factor, None


def _log_mean_kernel(left: Tensor, right: Tensor | None, kernel_variance: float) -> Tensor:
    return cast("Tensor", _LogMeanKernel.apply(left, right, kernel_variance))  # type: ignore[no-untyped-call]


def _check(left: Tensor, right: Tensor) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or not len(left) or not len(right):
        raise InputError(
            f"samples of shapes {tuple(left.shape)} and {tuple(right.shape)}: give two sets (samples, dimensions) of "
            "the same dimensions"
        )


def _at_least_single(samples: Tensor) -> Tensor:
    return samples.to(torch.promote_types(samples.dtype, torch.float32))


def log_cross_potential(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return the log of the cross information potential of two sets of samples, a scalar; at most 0.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: variance 2σ² of the kernel, that of two Parzen windows of variance σ².

    Raises:
        InputError: sets of no samples, or of different dimensions.

    Source: Principe 2010, ch. 10; Singh & Ogunfunmi 2022, Eq. (84).
    """
    _check(left, right)
    return _log_mean_kernel(_at_least_single(left), _at_least_single(right), kernel_variance)


def log_information_potential(samples: Tensor, *, kernel_variance: float) -> Tensor:
    """Return the log of the quadratic information potential of a set (n, dimensions), a scalar.

    Source: Principe 2010, ch. 2; Singh & Ogunfunmi 2022, Eq. (82), with twice the variance.
    """
    _check(samples, samples)
    return _log_mean_kernel(_at_least_single(samples), None, kernel_variance)


def _without_rounding_below_0(value: Tensor) -> Tensor:
    """Return 0 for what rounding alone makes negative, with its gradient, which a clamp would cut."""
    return value - value.detach().clamp(max=0)


def cauchy_schwarz_divergence(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return D = log V(X) + log V(Y) − 2 log V(X, Y) ≥ 0 of two sets of samples, 0 for the same set.

    Twice the value of code that takes the logarithm of the square roots.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: as `log_cross_potential`.

    Source: Singh & Ogunfunmi 2022, Eq. (83), with one kernel; Principe 2010, ch. 2.

    Example:
        >>> points = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> cauchy_schwarz_divergence(points, points, kernel_variance=1.0).item()
        0.0
    """
    own = [log_information_potential(samples, kernel_variance=kernel_variance) for samples in (left, right)]
    across = log_cross_potential(left, right, kernel_variance=kernel_variance)
    return _without_rounding_below_0(own[0] + own[1] - 2 * across)


def euclidean_divergence(left: Tensor, right: Tensor, *, kernel_variance: float) -> Tensor:
    """Return D = V(X) + V(Y) − 2 V(X, Y), in [0, 2], of two sets of samples, 0 for the same set.

    Where the sets are many kernel widths apart, V(X, Y) and its gradient vanish: widen the kernel.

    Args:
        left: samples (n, dimensions).
        right: samples (m, dimensions).
        kernel_variance: as `log_cross_potential`.

    Source: Singh & Ogunfunmi 2022, Eq. (85), with one kernel; Gretton et al. 2012, Eq. (5).
    """
    own = [log_information_potential(samples, kernel_variance=kernel_variance).exp() for samples in (left, right)]
    across = log_cross_potential(left, right, kernel_variance=kernel_variance).exp()
    return _without_rounding_below_0(own[0] + own[1] - 2 * across)


def median_kernel_variance(left: Tensor, right: Tensor) -> float:
    """Return the median squared distance between two sets: a kernel variance that fits any number of dimensions.

    A fixed one does not: squared distances grow with the dimensions, and kernels vanish. No gradient flows through it.
    It is taken over at most 512 samples of each set, evenly spaced, and is 1 where more than half of them coincide.
    """
    a, b = (samples.detach()[:: -(-len(samples) // _MEDIAN_SAMPLES)] for samples in (left, right))
    median = float(torch.cdist(a, b).square().median())
    return median if median > 0 else 1.0

"""Operations on latents, as pure functions on NumPy arrays: whatever moves an utterance is one shift p, z~ = z + p.

Hsu, Zhang & Glass 2017 (ASRU): nuisance attribute replacement, hard and soft perturbation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.errors import ConfigError
from sepvae.tables import unknown

Array = NDArray[np.floating[Any]]
# How far each kind of perturbation goes along each direction, of σ_d (latent,) and a number of directions.
PERTURBATIONS: dict[str, Callable[[Array, int], Array]] = {
    "soft": lambda std, _: std,
    "hard": lambda std, n_directions: np.where(np.arange(len(std)) < n_directions, std, 0),
    "uniform": lambda std, _: np.full_like(std, np.sqrt(np.mean(std**2))),
    "reversed": lambda std, _: std[::-1],
}


def utterance_vector(latents: Array, *, prior: float = 0.0) -> Array:
    """Return the nuisance vector (latent,) of an utterance: the mean of the latents (segments, latent).

    Args:
        latents: means of q(z|x) of the segments.
        prior: variance of a latent within an utterance over that of the vectors; what is most likely then is less than
            the mean (the s-vector of the FHVAE), 0 for the mean.

    Example:
        >>> utterance_vector(np.array([[1.0, 0.0], [3.0, 0.0]]))
        array([2., 0.])
    """
    total: Array = latents.sum(0, dtype=np.float64) / (len(latents) + prior)
    return total.astype(latents.dtype)


def replacement(source: Array, target: Array, *, share: float = 1.0) -> Array:
    """Return the shift (latent,) from one utterance vector towards another: all the way, or a share of it.

    Example:
        >>> replacement(np.array([1.0, 2.0]), np.array([3.0, 2.0]), share=0.5)
        array([1., 0.])
    """
    # The difference first: an utterance's own vector gives exactly nothing.
    shift: Array = share * (target - source)
    return shift.astype(source.dtype)


def principal_directions(vectors: Array) -> tuple[Array, Array, Array]:
    """Return mean (latent,), standard deviations (latent,) and directions (latent, latent) of vectors (n, latent).

    Row d of the directions is e_d, and σ_d is the spread of the vectors along it, the largest first. Variances are
    divided by n. The sign of a direction makes its largest element positive.
    """
    wide = vectors.astype(np.float64)
    mean = wide.mean(0)
    variances, columns = np.linalg.eigh((wide - mean).T @ (wide - mean) / len(wide))
    directions = columns.T[::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], axis=1)
    return mean, np.sqrt(variances[::-1].clip(min=0)), directions * np.sign(largest)


def spreads(std: Array, kind: str, *, n_directions: int) -> Array:
    """Return how far a perturbation goes along each direction (latent,), in units of its strength γ.

    Args:
        std: σ_d, the largest first.
        kind: `soft` all σ_d, `hard` the first `n_directions` of them; the controls `uniform`, the same along all
            directions, and `reversed`, the least along the first direction; both as far in the mean square as `soft`.
        n_directions: for `hard`.

    Raises:
        ConfigError: another kind.

    Example:
        >>> spreads(np.array([3.0, 2.0, 1.0]), "reversed", n_directions=0)
        array([1., 2., 3.])
    """
    if kind not in PERTURBATIONS:
        raise ConfigError(unknown("perturbation", kind, PERTURBATIONS))
    return PERTURBATIONS[kind](std, n_directions)


def perturbation(spread: Array, directions: Array, psi: Array, *, gamma: float) -> Array:
    """Return p = γ Σ ψ_d σ_d e_d, (latent,): E‖p‖² = γ² Σ σ_d² over ψ ~ N(0, I).

    Args:
        spread: σ_d (latent,), from `spreads`.
        directions: e_d as rows (latent, latent).
        psi: ψ_d (latent,), one draw for an utterance.
        gamma: strength; at 1 as far as another utterance.

    Source: Hsu et al. 2017 (ASRU).
    """
    p: Array = gamma * ((psi * spread) @ directions)
    return p

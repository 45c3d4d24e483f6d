"""Non-negative matrix factorisation of spectra with the Kullback–Leibler or the Itakura–Saito divergence.

Multiplicative updates under which the divergence never rises: Lee & Seung 2001, Theorem 2; Févotte & Idier 2011, whose
exponent of 1/2 the Itakura–Saito divergence needs for that.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Divergence = Literal["kullback_leibler", "itakura_saito"]
# Keeps a quotient finite where an atom and an observation are both silent; spectra are normalised to a level near 1.
_FLOOR = 1e-8


def _update_left(spectrum: Tensor, left: Tensor, right: Tensor, divergence: Divergence) -> Tensor:
    """Return the next left factor (rows, K) of spectrum ≈ left · right, with right (K, columns) held."""
    model = left @ right + _FLOOR
    if divergence == "kullback_leibler":
        return left * ((spectrum / model) @ right.T) / (right.sum(1) + _FLOOR)
    # The floor is part of the model, and so of the observation: both divergences then agree on silence.
    numerator = ((spectrum + _FLOOR) / model.square()) @ right.T
    return left * (numerator / (model.reciprocal() @ right.T)).sqrt()


def learn_atoms(
    spectrum: Tensor,
    *,
    n_atoms: int,
    n_iterations: int,
    generator: torch.Generator,
    divergence: Divergence = "kullback_leibler",
) -> Tensor:
    """Learn the atoms of a source from its spectra.

    Args:
        spectrum: magnitudes, or powers for the Itakura–Saito divergence, (frames, bins).
        n_atoms: number of atoms K.
        n_iterations: sweeps over activations and atoms.
        generator: stream of the random start.
        divergence: what is minimised.

    Returns:
        Atoms (n_atoms, bins) whose bins add up to 1.
    """
    frames, bins = spectrum.shape
    scale = spectrum.mean() + _FLOOR
    atoms = torch.rand((n_atoms, bins), generator=generator, dtype=spectrum.dtype) + _FLOOR
    atoms /= atoms.sum(1, keepdim=True)
    activations = torch.rand((frames, n_atoms), generator=generator, dtype=spectrum.dtype) * scale * bins / n_atoms
    for _ in range(n_iterations):
        activations = _update_left(spectrum, activations, atoms, divergence)
        atoms = _update_left(spectrum.T, atoms.T, activations.T, divergence).T
        # The scale moves from the atoms to the activations: their product, and so the divergence, stays.
        norms = atoms.sum(1) + _FLOOR
        atoms, activations = atoms / norms[:, None], activations * norms
    return atoms


def fit_activations(
    spectrum: Tensor, atoms: Tensor, *, n_iterations: int, divergence: Divergence = "kullback_leibler"
) -> Tensor:
    """Return activations (…, frames, K) of fixed atoms (K, bins) for magnitudes or powers (…, frames, bins).

    The start is constant, so nothing depends on a seed; in the KL divergence, which is convex in the activations, it
    does not matter.
    """
    level = spectrum.sum(-1, keepdim=True) / len(atoms)
    activations = level.expand(*spectrum.shape[:-1], len(atoms)) + _FLOOR
    for _ in range(n_iterations):
        activations = _update_left(spectrum, activations, atoms, divergence)
    return activations

"""Non-negative matrix factorisation of spectra with the generalised Kullback–Leibler divergence.

Lee & Seung 2001, Theorem 2: multiplicative updates under which the divergence never rises.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Keeps a quotient finite where an atom and an observation are both silent; spectra are normalised to a level near 1.
_FLOOR = 1e-8


def kl_divergence(spectrum: Tensor, activations: Tensor, atoms: Tensor) -> Tensor:
    """Return the generalised KL divergence Σ v log(v / v̂) − v + v̂ of a spectrum (frames, bins) from its model."""
    model = activations @ atoms + _FLOOR
    spectrum = spectrum + _FLOOR
    return (spectrum * (spectrum / model).log() - spectrum + model).sum()


def _update_activations(spectrum: Tensor, activations: Tensor, atoms: Tensor) -> Tensor:
    ratio = spectrum / (activations @ atoms + _FLOOR)
    return activations * (ratio @ atoms.T) / (atoms.sum(1) + _FLOOR)


def learn_atoms(spectrum: Tensor, *, n_atoms: int, n_iterations: int, generator: torch.Generator) -> Tensor:
    """Learn the atoms of a source from its spectra.

    Args:
        spectrum: magnitudes (frames, bins).
        n_atoms: number of atoms K.
        n_iterations: sweeps over activations and atoms.
        generator: stream of the random start.

    Returns:
        Atoms (n_atoms, bins) whose bins add up to 1.
    """
    frames, bins = spectrum.shape
    scale = spectrum.mean() + _FLOOR
    atoms = torch.rand((n_atoms, bins), generator=generator, dtype=spectrum.dtype) + _FLOOR
    atoms /= atoms.sum(1, keepdim=True)
    activations = torch.rand((frames, n_atoms), generator=generator, dtype=spectrum.dtype) * scale * bins / n_atoms
    for _ in range(n_iterations):
        activations = _update_activations(spectrum, activations, atoms)
        ratio = spectrum / (activations @ atoms + _FLOOR)
        atoms = atoms * (activations.T @ ratio) / (activations.sum(0)[:, None] + _FLOOR)
        # The scale moves from the atoms to the activations: their product, and so the divergence, stays.
        norms = atoms.sum(1) + _FLOOR
        atoms, activations = atoms / norms[:, None], activations * norms
    return atoms


def fit_activations(spectrum: Tensor, atoms: Tensor, *, n_iterations: int) -> Tensor:
    """Return activations (…, frames, K) of fixed atoms (K, bins) for magnitudes (…, frames, bins).

    The divergence is convex in the activations, so the start is constant and nothing depends on a seed.
    """
    level = spectrum.sum(-1, keepdim=True) / len(atoms)
    activations = level.expand(*spectrum.shape[:-1], len(atoms)) + _FLOOR
    for _ in range(n_iterations):
        activations = _update_activations(spectrum, activations, atoms)
    return activations

"""An update of demixing matrices of one's own: steps along the natural gradient, of the length that helps most.

sepvae demix talk.wav -o out --algorithm auxiva --set update=natural_gradient --plugin docs/examples/natural_gradient.py
"""

import torch
from torch import Tensor

import sepvae
from sepvae.demixing.covariance import Observation

HALVINGS = 8


def objective(demixing: Tensor, covariances: Tensor) -> Tensor:
    """Return Σⱼ wⱼᴴ Vⱼ wⱼ − 2 log|det W| of each bin, (batch, bins)."""
    energies = torch.einsum("bfjc,bfjcd,bfjd->bf", demixing, covariances, demixing.conj()).real
    return energies - 2 * torch.linalg.slogdet(demixing).logabsdet


def natural_gradient(
    demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the best of W + μ (I − R) W over some μ, where Rⱼₖ = wⱼᴴ Vⱼ wₖ, and what it separates (Amari 1998)."""
    covariances = observation.covariances(weights)
    related = torch.einsum("bfjc,bfjcd,bfkd->bfjk", demixing, covariances, demixing.conj())
    step = torch.eye(demixing.shape[2]).to(related) - related
    step = step / torch.linalg.matrix_norm(step, keepdim=True).clamp_min(1)
    best, least = demixing, objective(demixing, covariances)
    for halving in range(HALVINGS):
        tried = demixing + 0.5**halving * step @ demixing
        found = objective(tried, covariances)
        best = torch.where((found < least)[..., None, None], tried, best)
        least = torch.minimum(found, least)
    return best, best @ observation.spectrum


sepvae.register("update", "natural_gradient", natural_gradient)

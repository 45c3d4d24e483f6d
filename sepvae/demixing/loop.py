"""The loop of every determined algorithm: fit the source model, update the demixing matrices, watch the objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import Observation
from sepvae.demixing.updates import Update, log_determinants

# Below this the scale of a source is silence, and is left alone.
_SILENCE = 1e-20


@dataclass(frozen=True)
class Demixed:
    """A demixed batch.

    `demixing` is W (batch, bins, sources, channels), `separated` y = W x (batch, bins, sources, frames), `variances`
    those of the source model (batch, sources, bins or 1, frames), and `objective` (iterations + 1, batch) the negative
    log-likelihood per bin and frame, up to constants, at each iteration when the source model has been fitted, and in
    the end.
    """

    demixing: Tensor
    separated: Tensor
    variances: Tensor
    objective: Tensor


def identity(spectrum: Tensor, *, n_sources: int) -> Tensor:
    """Return W = I, which takes the first channels as they are, (batch, bins, sources, channels)."""
    n_batch, n_bins, n_channels, _ = spectrum.shape
    rows = torch.eye(n_sources, n_channels, dtype=spectrum.dtype, device=spectrum.device)
    return rows.expand(n_batch, n_bins, n_sources, n_channels).clone()


def demix(
    spectrum: Tensor,
    model: SourceVariances,
    *,
    n_iterations: int,
    demixing: Tensor,
    update: str = "ip",
    tolerance: float = 0.0,
) -> Demixed:
    """Demix recordings of as many sources as channels; channels beyond these are the past (see `with_past`).

    Args:
        spectrum: x, (batch, bins, channels, frames) complex.
        model: what the sources are like; it is fitted on the way.
        n_iterations: at most.
        demixing: matrices to start from (batch, bins, sources, channels).
        update: of the matrices, a name of `UPDATES`.
        tolerance: a recording has converged, and is left as it is, when an iteration changes its objective by less
            than this; the loop ends when all have.

    Source: Kameoka et al. 2019; Kitamura et al. 2016; Ono 2011.
    """
    sweep: Update = UPDATES.resolve(update)
    observation = Observation(spectrum)
    separated, trace = demixing @ observation.spectrum, list[Tensor]()
    power = observation.powers(demixing, separated)
    variances, factors = torch.ones_like(power[:, :, :1]), torch.ones_like(power[:, :, 0, 0])
    converged = torch.zeros_like(factors[:, 0], dtype=torch.bool)
    for _ in range(n_iterations):
        fitted, contrast = model.fit(power)
        variances = _unless(converged, fitted, variances)
        now = _objective(contrast, demixing)
        if trace:
            now = _unless(converged, now, trace[-1])
            converged = converged | ((trace[-1] - now).abs() < tolerance)
        trace.append(now)
        if converged.all():
            factors = torch.ones_like(factors)
            break
        # (batch, bins or 1, frames, sources), in memory as the sums over frames read them.
        weights = variances.to(power).transpose(1, 2).reciprocal().contiguous().mT
        swept = sweep(demixing, separated, observation, weights)
        demixing, separated = (_unless(converged, *both) for both in zip(swept, (demixing, separated), strict=True))
        power = observation.powers(demixing, separated)
        if model.has_scale:
            factors = _unless(converged, _to_unit_power(power), torch.ones_like(factors))
            model.rescale(factors.to(variances))
            scale = factors.sqrt()[:, None, :, None]
            demixing = demixing * scale
            torch.view_as_real(separated).mul_(scale[..., None])
            power.mul_(factors[:, :, None, None])
    else:
        now = _objective(model.contrast(power), demixing) if n_iterations else power.new_zeros(len(power))
        trace.append(_unless(converged, now, trace[-1]) if trace else now)
    # Of the last sweep alone: every fit makes new ones.
    variances = variances * factors[:, :, None, None].to(variances)
    return Demixed(demixing, separated, variances, torch.stack(trace))


def _unless(converged: Tensor, values: Tensor, kept: Tensor) -> Tensor:
    """Return new values, but of the items of a batch that have converged those kept."""
    if not converged.any():
        return values
    return torch.where(converged.view(-1, *[1] * (values.dim() - 1)), kept, values)


def _objective(contrast: Tensor, demixing: Tensor) -> Tensor:
    return (contrast - 2 * log_determinants(demixing[..., : demixing.shape[2]])) / demixing.shape[1]


def _to_unit_power(power: Tensor) -> Tensor:
    """Return the factors (batch, sources) that give powers a mean of 1; the objective stays as it is with them."""
    mean = power.mean((2, 3))
    return torch.where(mean > _SILENCE, 1 / mean, 1.0)

"""The loop of every determined algorithm: fit the source model, update the demixing matrices, watch the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import Recording
from sepvae.demixing.updates import log_determinants, project, steer

# Below this the scale of a source is silence, and is left alone.
_SILENCE = 1e-20

Update = Literal["ip", "iss"]


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
    update: Update = "ip",
    tolerance: float = 0.0,
) -> Demixed:
    """Demix recordings of as many sources as channels; channels beyond these are the past (see `with_past`).

    Args:
        spectrum: x, (batch, bins, channels, frames) complex.
        model: what the sources are like; it is fitted on the way.
        n_iterations: at most.
        demixing: matrices to start from (batch, bins, sources, channels).
        update: `ip` (Ono 2011) or `iss` (Scheibler & Ono 2020).
        tolerance: stop when an iteration lowers the objective of every recording by less than this.

    Source: Kameoka et al. 2019, Algorithm 1; Kitamura et al. 2016; Ono 2011.
    """
    recording = Recording(spectrum)
    separated, trace = demixing @ spectrum, list[Tensor]()
    power = recording.powers(demixing, separated)
    variances = torch.ones_like(power[:, :, :1])
    for _ in range(n_iterations):
        variances, contrast = model.fit(power)
        trace.append(_objective(contrast, demixing))
        if len(trace) > 1 and bool(((trace[-2] - trace[-1]).abs() < tolerance).all()):
            break
        # (batch, bins or 1, frames, sources)
        weights = variances.to(power).reciprocal().permute(0, 2, 3, 1)
        if update == "ip":
            demixing = project(demixing, recording, weights)
            separated = demixing @ spectrum
        else:
            demixing, separated = steer(demixing, separated, recording, weights)
        power = recording.powers(demixing, separated)
        if model.has_scale:
            factors = _to_unit_power(power)
            model.rescale(factors.to(variances))
            scale = factors.sqrt()[:, None, :, None]
            demixing, separated, power = demixing * scale, separated * scale, power * factors[:, :, None, None]
            variances = variances * factors[:, :, None, None].to(variances)
    else:
        trace.append(_objective(model.contrast(power), demixing) if n_iterations else power.new_zeros(len(power)))
    return Demixed(demixing, separated, variances, torch.stack(trace))


def _objective(contrast: Tensor, demixing: Tensor) -> Tensor:
    return (contrast - 2 * log_determinants(demixing[..., : demixing.shape[2]])) / demixing.shape[1]


def _to_unit_power(power: Tensor) -> Tensor:
    """Return the factors (batch, sources) that give powers a mean of 1; the objective stays as it is with them."""
    mean = power.mean((2, 3))
    return torch.where(mean > _SILENCE, 1 / mean, 1.0)

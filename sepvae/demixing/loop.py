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
    log-likelihood per bin and frame, up to constants, before the first iteration and after each.
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
    variances = spectrum.real.new_ones(1)
    for iteration in range(n_iterations):
        power = recording.powers(demixing, separated)
        variances, contrast = model.fit(power)
        if iteration == 0:
            trace.append(_objective(contrast, demixing))
        # (batch, bins or 1, frames, sources)
        weights = (1 / variances.to(power)).permute(0, 2, 3, 1)
        if update == "ip":
            demixing = project(demixing, recording, weights)
            separated = demixing @ spectrum
        else:
            demixing, separated = steer(demixing, separated, recording, weights)
        if model.has_scale:
            demixing, separated, variances = _normalise(demixing, separated, variances, recording, model)
        trace.append(_objective(model.contrast(recording.powers(demixing, separated)), demixing))
        if bool(((trace[-2] - trace[-1]).abs() < tolerance).all()):
            break
    return Demixed(demixing, separated, variances, torch.stack(trace) if trace else spectrum.real.new_zeros((0, 1)))


def _objective(contrast: Tensor, demixing: Tensor) -> Tensor:
    return (contrast - 2 * log_determinants(demixing[..., : demixing.shape[2]])) / demixing.shape[1]


def _normalise(
    demixing: Tensor, separated: Tensor, variances: Tensor, recording: Recording, model: SourceVariances
) -> tuple[Tensor, Tensor, Tensor]:
    """Give every source a mean power of 1, and its variances with it: the objective stays as it is."""
    mean = recording.powers(demixing, separated).mean((2, 3))
    factors = torch.where(mean > _SILENCE, 1 / mean, 1.0)
    model.rescale(factors.to(variances))
    scale = factors.sqrt()[:, None, :, None]
    return demixing * scale, separated * scale, variances * factors[:, :, None, None].to(variances)

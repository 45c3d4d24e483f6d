"""Where spatial covariances start with fewer microphones than talkers: delays, and a factorisation of each talker."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sepvae.demixing.config import DemixingConfig
from sepvae.demixing.directions import covariances_by_mask, masks_by_delay
from sepvae.demixing.low_rank import LowRank
from sepvae.demixing.spatial import fit_spatial
from sepvae.seeds import torch_generator

# Of the power of a talker: what arrives from everywhere.
_FULL_RANK = 0.02
# Of the mean power: what a mask leaves of it where it says that there is none.
_FLOOR = 1e-10
_MASK_ITERATIONS = 20


@dataclass(frozen=True)
class SpatialStart:
    """Spatial covariances (batch, bins, sources, channels, channels), and variances (batch, sources, bins, frames)."""

    covariances: Tensor
    variances: Tensor

    def ordered(self, order: Tensor) -> SpatialStart:
        """Return the sources in another order (batch, sources)."""
        covariances = [item[:, places] for item, places in zip(self.covariances, order, strict=True)]
        variances = [item[places] for item, places in zip(self.variances, order, strict=True)]
        return SpatialStart(torch.stack(covariances), torch.stack(variances))


def start_from_delays(spectrum: Tensor, config: DemixingConfig, *, n_sources: int, sample_rate: int) -> SpatialStart:
    """Return a start for more talkers than microphones.

    The masks of the talkers' delays give first covariances and powers; a blind factorisation of each talker's powers
    is then fitted with them, since a model of speech goes astray from masks as rough as these.

    Args:
        spectrum: (batch, bins, channels, frames) complex, bins from 0 to half the sample rate.
        config: with the settings `directions`.
        n_sources: talkers.
        sample_rate: Hz.
    """
    settings = config.directions
    frequencies = torch.linspace(0, sample_rate / 2, spectrum.shape[1], dtype=spectrum.real.dtype).to(spectrum.device)
    masks = torch.stack(
        [
            masks_by_delay(item, frequencies, n_sources=n_sources, max_delay_s=settings.max_delay_ms / 1000)
            for item in spectrum
        ]
    )
    power = (spectrum.real.square() + spectrum.imag.square()).mean(2)
    masked = (masks * power[:, None]).clamp_min(0) + _FLOOR * power.mean((1, 2))[:, None, None, None]
    covariances = [covariances_by_mask(*pair, full_rank=_FULL_RANK) for pair in zip(spectrum, masks, strict=True)]
    model = LowRank(settings.n_bases, [torch_generator(config.seed, "gmvae") for _ in spectrum])
    variances = masked
    for _ in range(_MASK_ITERATIONS):
        variances = model.fit(masked).variances
    found = fit_spatial(
        spectrum,
        model,
        covariances=torch.stack(covariances),
        variances=variances,
        n_iterations=settings.start_iterations,
        microphone=spectrum.new_ones(()).expand(*spectrum.shape[:3]),
    )
    return SpatialStart(found.covariances, found.variances)

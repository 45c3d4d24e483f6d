"""GMVAE: full-rank spatial covariances and a conditional VAE of speech (Seki et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.demixing.channels import reduce_channels
from sepvae.demixing.contract import Separated
from sepvae.demixing.directions import covariances_by_mask, masks_by_delay
from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.demixing.loop import demix
from sepvae.demixing.mvae import MvaeVariances
from sepvae.demixing.spatial import fit_spatial, from_demixing
from sepvae.demixing.speech_model import SpeechModelAlgorithm, SpeechModelConfig, match_speakers
from sepvae.limits import LearningRate, Seed
from sepvae.seeds import torch_generator

# Of MVAE with one step each, and of the power of a talker what then arrives from everywhere: the determined start.
_MVAE_ITERATIONS, _FULL_RANK = 10, 0.1
# Of the power of a talker what arrives from everywhere at the start from delays.
_FULL_RANK_OF_MASKS = 0.02
# Of the mean power: what a mask leaves of it where it says that there is none.
_FLOOR = 1e-10
_MASK_ITERATIONS = 20


class DirectionsConfig(Config):
    """Where GMVAE starts with fewer microphones than talkers: their delays between the first two microphones.

    `max_delay_ms` is the longest there can be, the distance of the two over the speed of sound: 0.24 ms are 8 cm.
    `start_iterations` of a factorisation into `n_bases` spectra of each talker follow.
    """

    max_delay_ms: float = Field(0.24, gt=0, le=100)
    n_bases: int = Field(6, ge=1, le=1000)
    start_iterations: int = Field(25, ge=0, le=10_000)


class GmvaeConfig(SpeechModelConfig):
    """How many `steps` of Adam fit the sources at each of the `iterations`, all of which are made, and its two starts.

    With as many microphones as talkers it starts from AuxIVA and MVAE, with fewer as `directions` says; `seed` is that
    of the factorisation there.
    """

    iterations: int = Field(30, ge=1, le=10_000)
    steps: int = Field(10, ge=1, le=10_000)
    learning_rate: LearningRate = 0.05
    directions: DirectionsConfig = DirectionsConfig()
    seed: Seed = 0


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


class Gmvae(SpeechModelAlgorithm):
    """MVAE by a multichannel Wiener filter, for more talkers than microphones too (Seki et al. 2019)."""

    Config = GmvaeConfig
    label = "GMVAE"
    underdetermined = True
    monotone = True
    config: GmvaeConfig

    def variances(
        self,
        n_batch: int,  # noqa: ARG002
        speakers: Tensor | None,
        n_steps: int | None = None,
    ) -> MvaeVariances:
        """Return latents that have not begun to descend, by the steps of the config when None."""
        steps, rate = n_steps or self.config.steps, self.config.learning_rate
        return MvaeVariances(self.model, n_steps=steps, learning_rate=rate, speakers=speakers, half=self.half)

    def separate(
        self, spectrum: Tensor, *, n_sources: int, sample_rate: int, speakers: Tensor | None = None, reference: int = 0
    ) -> Separated:
        """Separate recordings, see `DemixingAlgorithm`: from AuxIVA, or from delays where there are fewer channels."""
        if spectrum.shape[2] < n_sources:
            start = start_from_delays(spectrum, self.config, n_sources=n_sources, sample_rate=sample_rate)
            if speakers is not None:
                start = start.ordered(match_speakers(start.variances, self.model, speakers))
            row = torch.eye(spectrum.shape[2], dtype=spectrum.dtype, device=spectrum.device)[reference]
            found = self._fit(spectrum, start, speakers, row.expand(*spectrum.shape[:3]))
            # The factorisation fits its start closer than speech can: beside it its value would look like a rise.
            return replace(found, objective=found.objective[1:])
        reduced, basis = reduce_channels(spectrum, n_sources)
        row = basis[:, :, reference]
        demixing, sources = self.start(reduced, row, speakers), self.variances(len(spectrum), speakers, n_steps=1)
        demixed = demix(reduced, sources, n_iterations=_MVAE_ITERATIONS, demixing=demixing)
        start = SpatialStart(from_demixing(demixed.demixing, full_rank=_FULL_RANK), demixed.variances)
        return self._fit(reduced, start, speakers, row)

    def _fit(self, spectrum: Tensor, start: SpatialStart, speakers: Tensor | None, microphone: Tensor) -> Separated:
        """Return what comes of spatial covariances and variances to start from."""
        sources = self.variances(len(spectrum), speakers)
        found = fit_spatial(
            spectrum,
            sources,
            covariances=start.covariances,
            variances=start.variances,
            n_iterations=self.config.iterations,
            microphone=microphone,
        )
        return Separated(found.images, found.objective, self.config.iterations, None, sources.log_classes)


def start_from_delays(spectrum: Tensor, config: GmvaeConfig, *, n_sources: int, sample_rate: int) -> SpatialStart:
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
    covariances = [
        covariances_by_mask(*pair, full_rank=_FULL_RANK_OF_MASKS) for pair in zip(spectrum, masks, strict=True)
    ]
    factorisation = IlrmaVariances(settings.n_bases, [torch_generator(config.seed, "gmvae") for _ in spectrum])
    variances = masked
    for _ in range(_MASK_ITERATIONS):
        variances = factorisation.fit(masked).variances
    found = fit_spatial(
        spectrum,
        factorisation,
        covariances=torch.stack(covariances),
        variances=variances,
        n_iterations=settings.start_iterations,
        microphone=spectrum.new_ones(()).expand(*spectrum.shape[:3]),
    )
    return SpatialStart(found.covariances, found.variances)

"""The algorithms end to end: spectra of several microphones to the images of the talkers at one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sepvae.demixing.channels import reduce_channels
from sepvae.demixing.config import DemixingConfig
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import with_past
from sepvae.demixing.delays import SpatialStart, start_from_delays
from sepvae.demixing.descent import MvaeVariances
from sepvae.demixing.loop import Demixed, demix, identity
from sepvae.demixing.low_rank import LowRank
from sepvae.demixing.neural import FastMvae2Variances, FastMvaeVariances, NeuralVariances
from sepvae.demixing.projection_back import mixing_matrices, project_back_with_past
from sepvae.demixing.spatial import fit_spatial, from_demixing
from sepvae.demixing.spherical import Spherical
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae
from sepvae.seeds import torch_generator

# What GMVAE starts from.
_FAST_ITERATIONS = 10
_FULL_RANK = 0.1
_SILENCE = 1e-20


@dataclass(frozen=True)
class Separated:
    """What an algorithm made of a batch.

    `images` at the reference microphone (batch, bins, sources, frames) complex; `objective` (iterations + 1, batch)
    from the start on, and without it, of another model, where GMVAE has more talkers than microphones; `n_iterations`
    that were made; `demixing` in terms of the microphones (batch, bins, sources, channels), None where there is none;
    `log_classes` (batch, sources, classes) of who speaks, None without a model.
    """

    images: Tensor
    objective: Tensor
    n_iterations: int
    demixing: Tensor | None
    log_classes: Tensor | None


@dataclass(frozen=True)
class Voices:
    """A model of speech and how it is to be used.

    `speakers` is who speaks, in the order wanted, when it is known: probabilities (batch, sources, classes). `half`
    computes the products of the fast inference in bfloat16.
    """

    model: ConditionalVae
    speakers: Tensor | None = None
    half: bool = False

    def fast(self) -> FastMvae2Variances:
        """Return a fresh source model whose inference has the last word."""
        return FastMvae2Variances(self.model, speakers=self.speakers, half=self.half)

    def patient(self, config: DemixingConfig, *, n_steps: int | None = None) -> MvaeVariances:
        """Return a fresh source model that descends."""
        return MvaeVariances(
            self.model,
            n_steps=config.steps if n_steps is None else n_steps,
            learning_rate=config.learning_rate,
            speakers=self.speakers,
            half=self.half,
        )


def source_model(config: DemixingConfig, voices: Voices | None, n_batch: int) -> SourceVariances:
    """Return a fresh source model of the algorithm of a config; ConfigError when it needs voices."""
    if config.algorithm == "auxiva":
        return Spherical(config.density)
    if config.algorithm == "ilrma":
        return LowRank(config.n_bases, [torch_generator(config.seed, "ilrma") for _ in range(n_batch)])
    if voices is None:
        raise ConfigError(f"algorithm {config.algorithm}: needs a model of speech, such as train_cvae.yaml makes")
    if config.steps:
        return voices.patient(config)
    if config.algorithm == "fastmvae":
        return FastMvaeVariances(voices.model, speakers=voices.speakers, half=voices.half)
    return voices.fast()


def separate_spectra(
    spectrum: Tensor,
    config: DemixingConfig,
    *,
    n_sources: int,
    sample_rate: int,
    voices: Voices | None = None,
    reference: int = 0,
) -> Separated:
    """Separate recordings of several microphones.

    Args:
        spectrum: x, (batch, bins, channels, frames) complex, bins from 0 to half the sample rate.
        config: algorithm and settings.
        n_sources: talkers; of more channels the principal components are taken.
        sample_rate: Hz.
        voices: a model of speech, for the algorithms that have one.
        reference: microphone whose images are returned.

    Raises:
        ConfigError: the algorithm needs a model, or as many channels as sources.
    """
    if spectrum.shape[2] < n_sources:
        if config.algorithm != "gmvae" or voices is None:
            raise ConfigError(f"{spectrum.shape[2]} channels cannot be demixed into {n_sources} sources: choose gmvae")
        found = start_from_delays(spectrum, config, n_sources=n_sources, sample_rate=sample_rate)
        made = _by_covariances(spectrum, found, config, voices, _row(spectrum, reference))
        # The factorisation fits its start closer than voices can: beside them its value would look like a rise.
        return replace(made, objective=made.objective[1:])
    reduced, basis = reduce_channels(spectrum, n_sources)
    row, sources = basis[:, :, reference], source_model(config, voices, len(spectrum))
    start = identity(reduced, n_sources=n_sources) if voices is None else _start(reduced, row, config, voices)
    if config.algorithm == "gmvae" and voices is not None:
        demixed = demix(reduced, voices.patient(config, n_steps=1), n_iterations=_FAST_ITERATIONS, demixing=start)
        found = SpatialStart(from_demixing(demixed.demixing, full_rank=_FULL_RANK), demixed.variances)
        return _by_covariances(reduced, found, config, voices, row)
    delay, n_taps = (1, 0) if config.wpe is None else (config.wpe.delay, config.wpe.n_taps)
    demixed = demix(
        with_past(reduced, delay=delay, n_taps=n_taps),
        sources,
        n_iterations=config.iterations,
        demixing=torch.nn.functional.pad(start, (0, n_taps * n_sources)),
        update=config.update,
        tolerance=config.tolerance,
    )
    images, demixing = _images(demixed, sources, reduced, row, config), demixed.demixing[..., :n_sources]
    classes = sources.log_classes if isinstance(sources, NeuralVariances) else None
    n_iterations = len(demixed.objective) - 1
    return Separated(images, demixed.objective, n_iterations, demixing @ basis.mH, classes)


def _row(spectrum: Tensor, channel: int) -> Tensor:
    """Return the row (batch, bins, channels) that takes one channel of spectra (batch, bins, channels, frames)."""
    row = torch.zeros(spectrum.shape[2], dtype=spectrum.dtype, device=spectrum.device)
    row[channel] = 1
    return row.expand(*spectrum.shape[:3])


def _start(reduced: Tensor, row: Tensor, config: DemixingConfig, voices: Voices) -> Tensor:
    """Return demixing matrices that a model of speech can go on from: AuxIVA's, with the scale and order it needs."""
    n_sources = reduced.shape[2]
    start = demix(
        reduced,
        Spherical(config.density),
        n_iterations=config.start_iterations,
        demixing=identity(reduced, n_sources=n_sources),
        update=config.update,
    ).demixing
    # At the scale of the microphone, which a model of speech has to be shown; a source it does not hear keeps its own.
    scale = (row[:, :, None] @ mixing_matrices(start))[:, :, 0, :, None]
    start = start * torch.where(scale.abs() > _SILENCE, scale, torch.ones_like(scale))
    if voices.speakers is not None:
        power = (start @ reduced).abs().square().transpose(1, 2)
        order = order_by_voice(power, voices.model, voices.speakers)
        start = torch.stack([item[:, places] for item, places in zip(start, order, strict=True)])
    return start


def _by_covariances(
    spectrum: Tensor, start: SpatialStart, config: DemixingConfig, voices: Voices, microphone: Tensor
) -> Separated:
    """Return what GMVAE makes of spatial covariances and variances to start from."""
    if voices.speakers is not None and spectrum.shape[2] < voices.speakers.shape[1]:
        start = start.ordered(order_by_voice(start.variances, voices.model, voices.speakers))
    sources = voices.patient(config)
    found = fit_spatial(
        spectrum,
        sources,
        covariances=start.covariances,
        variances=start.variances,
        n_iterations=config.iterations,
        microphone=microphone,
    )
    return Separated(found.images, found.objective, config.iterations, None, sources.log_classes)


def _images(demixed: Demixed, sources: SourceVariances, reduced: Tensor, row: Tensor, config: DemixingConfig) -> Tensor:
    """Return the images (batch, bins, sources, frames) at a microphone, a `row` (batch, bins, channels)."""
    demixing = demixed.demixing[..., : reduced.shape[2]]
    if config.postfilter is not None:
        return fit_spatial(
            reduced,
            sources,
            covariances=from_demixing(demixing, full_rank=config.postfilter.full_rank),
            variances=demixed.variances.expand(*demixed.variances.shape[:2], *reduced.shape[1::2]),
            n_iterations=config.postfilter.iterations,
            microphone=row,
            fit_sources=False,
        ).images
    if config.wpe is not None:
        heard = (row[:, :, None] @ reduced)[:, :, 0]
        return project_back_with_past(heard, demixed.separated, n_taps=config.wpe.n_taps)
    return (row[:, :, None] @ mixing_matrices(demixing))[:, :, 0, :, None] * demixed.separated


def order_by_voice(power: Tensor, model: ConditionalVae, speakers: Tensor) -> Tensor:
    """Return which source is which speaker, as far as their voices say, each speaker once.

    Args:
        power: of the sources (batch, sources, bins, frames).
        model: of speech.
        speakers: probabilities of the classes (batch, sources, classes).

    Returns:
        For each speaker the place of the source (batch, sources).
    """
    heard = power.flatten(0, 1).transpose(1, 2).float()
    with torch.no_grad():
        found = model.infer(heard / heard.mean((1, 2), keepdim=True).clamp_min(_SILENCE)).log_classes
    # (batch, speakers, sources): how well each would be the other.
    scores = speakers.to(found) @ found.view(*power.shape[:2], -1).mT
    columns = [linear_sum_assignment(item.cpu().numpy(), maximize=True)[1] for item in scores]
    return torch.as_tensor(np.stack(columns), device=power.device)

"""The algorithms end to end: spectra of several microphones to the images of the talkers at one of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sepvae.demixing.channels import reduce_channels
from sepvae.demixing.config import NEURAL, DemixingConfig
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import with_past
from sepvae.demixing.loop import Demixed, demix, identity
from sepvae.demixing.low_rank import LowRank
from sepvae.demixing.neural import FastMvae2Variances, FastMvaeVariances, MvaeVariances, NeuralVariances
from sepvae.demixing.projection_back import mixing_matrices, project_back_with_past
from sepvae.demixing.spatial import fit_spatial, from_demixing
from sepvae.demixing.spherical import Spherical
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae
from sepvae.seeds import torch_generator

# What MVAE starts from.
_FAST = DemixingConfig(algorithm="fastmvae2", iterations=10)
_SILENCE = 1e-20


@dataclass(frozen=True)
class Separated:
    """What an algorithm made of a batch.

    `images` at the reference microphone (batch, bins, sources, frames) complex; `objective` (iterations + 1, batch);
    `demixing` in terms of the microphones (batch, bins, sources, channels); `log_classes`
    (batch, sources, classes) of who speaks, None without a model.
    """

    images: Tensor
    objective: Tensor
    demixing: Tensor
    log_classes: Tensor | None


def source_model(
    config: DemixingConfig, model: ConditionalVae | None, n_batch: int, *, speakers: Tensor | None = None
) -> SourceVariances:
    """Return a fresh source model of the algorithm of a config."""
    if config.algorithm == "auxiva":
        return Spherical(config.density)
    if config.algorithm == "ilrma":
        return LowRank(config.n_bases, [torch_generator(config.seed, "ilrma") for _ in range(n_batch)])
    if model is None:
        raise ConfigError(f"algorithm {config.algorithm}: needs a model of speech, such as train_cvae.yaml makes")
    if config.algorithm == "mvae":
        return MvaeVariances(model, n_steps=config.steps, learning_rate=config.learning_rate, speakers=speakers)
    if config.algorithm == "fastmvae":
        return FastMvaeVariances(model, speakers=speakers)
    return FastMvae2Variances(model, speakers=speakers)


def separate_spectra(
    spectrum: Tensor,
    config: DemixingConfig,
    *,
    n_sources: int,
    model: ConditionalVae | None = None,
    speakers: Tensor | None = None,
    reference: int = 0,
) -> Separated:
    """Separate recordings of several microphones.

    Args:
        spectrum: x, (batch, bins, channels, frames) complex.
        config: algorithm and settings.
        n_sources: talkers; of more channels the principal components are taken.
        model: of speech, for the algorithms that have one.
        speakers: who speaks, in the order wanted: probabilities (batch, sources, classes), when it is known.
        reference: microphone whose images are returned.

    Raises:
        ConfigError: the algorithm needs a model.
    """
    if spectrum.shape[2] < n_sources:
        raise ConfigError(f"{spectrum.shape[2]} channels cannot be demixed into {n_sources} sources")
    reduced, basis = reduce_channels(spectrum, n_sources)
    start = demix(
        reduced,
        Spherical(config.density),
        n_iterations=config.start_iterations if config.algorithm in NEURAL else 0,
        demixing=identity(reduced, n_sources=n_sources),
        update=config.update,
    ).demixing
    # At the scale of the microphone, which a model of speech has to be shown; a source it does not hear keeps its own.
    scale = (basis[:, :, reference, None] @ mixing_matrices(start))[:, :, 0, :, None]
    start = start * torch.where(scale.abs() > _SILENCE, scale, torch.ones_like(scale))
    if speakers is not None and model is not None:
        start = _in_order(start, reduced, model, speakers)
    sources = source_model(config, model, len(spectrum), speakers=speakers)
    if config.algorithm in ("mvae", "gmvae"):
        # What the fast inference finds is nearer to the goal than what AuxIVA leaves.
        fast = source_model(_FAST, model, len(spectrum), speakers=speakers)
        start = demix(reduced, fast, n_iterations=_FAST.iterations, demixing=start, update=config.update).demixing
    delay, n_taps = (1, 0) if config.wpe is None else (config.wpe.delay, config.wpe.n_taps)
    demixed = demix(
        with_past(reduced, delay=delay, n_taps=n_taps),
        sources,
        n_iterations=config.iterations,
        demixing=torch.nn.functional.pad(start, (0, n_taps * n_sources)),
        update=config.update,
        tolerance=config.tolerance,
    )
    row = basis[:, :, reference]
    images, demixing = _images(demixed, sources, reduced, row, config), demixed.demixing[..., :n_sources]
    classes = sources.log_classes if isinstance(sources, NeuralVariances) else None
    return Separated(images, demixed.objective, demixing @ basis.mH, classes)


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


def _in_order(demixing: Tensor, spectrum: Tensor, model: ConditionalVae, speakers: Tensor) -> Tensor:
    """Return demixing matrices whose sources are in the order of the speakers that they sound most like."""
    power = (demixing @ spectrum).abs().square().permute(0, 2, 3, 1).flatten(0, 1).float()
    with torch.no_grad():
        found = model.infer(power / power.mean((1, 2), keepdim=True).clamp_min(_SILENCE)).log_classes
    # (batch, sources, speakers): how well each would be the other.
    likelihood = found.view(len(demixing), demixing.shape[2], -1) @ speakers.to(found).mT
    ordered = demixing.clone()
    for item, scores in enumerate(likelihood):
        rows, columns = linear_sum_assignment(scores.cpu().numpy(), maximize=True)
        ordered[item][:, torch.as_tensor(columns)] = demixing[item][:, torch.as_tensor(rows)]
    return ordered

"""Generative inference: models of clean sources, fitted to a mixture by their latents and gains.

Subakan & Smaragdis 2018 (Poisson, on magnitudes); Murashima et al. 2021 (Itakura–Saito, on powers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import LearningRate, Seed, Weight
from sepvae.models.contract import Decoded, Posterior, Reconstruction
from sepvae.models.network import SourceNetwork
from sepvae.objectives import LIKELIHOODS
from sepvae.objectives.likelihoods import SPECTRUM_FLOOR
from sepvae.seeds import torch_generator
from sepvae.tables import unknown

# Maps latents (batch, frames, latent) to non-negative spectra (batch, frames, bins).
Decoder = Callable[[Tensor], Tensor]

# How many steps an objective must stand still for to have converged; Adam may climb for some before it falls on.
_STILL_STEPS = 20
# An objective per bin that is as good as nothing: silence, which is explained exactly, would else never stand still.
_NOTHING = 1e-3


# The likelihoods under which gains have a closed update, and the kind of spectra that each adds up.
ADDED_UP = {"poisson": "magnitude", "itakura_saito": "power"}


def _likelihood(name: str) -> str:
    if name not in ADDED_UP:
        raise ConfigError(unknown("likelihood", name, ADDED_UP))
    return name


class GenerativeConfig(Config):
    """What is fitted, from where, and for how long.

    The fit minimises, by Adam over the latents, the negative log-likelihood of the mixture under the sum of the
    sources + `prior_weight` · ½‖z‖² + `smoothness` · Σ |difference of a source's spectrum from frame to frame|.
    `gain`: every source has one factor (`source`), one per frame (`frame`) or none; factors follow closed updates that
    never raise the negative log-likelihood. Of `n_restarts` fits, the first from what the encoders make of the
    mixture and the others from draws of the prior, the one with the lowest objective is taken. A fit ends when its
    objective falls by less than `tolerance` of itself in 20 steps.
    """

    kind: Literal["generative"] = "generative"
    likelihood: Annotated[str, AfterValidator(_likelihood)] = "poisson"
    n_steps: int = Field(100, ge=0, le=10_000)
    learning_rate: LearningRate = 0.05
    n_restarts: int = Field(2, ge=1, le=64)
    prior_weight: Weight = 1.0
    smoothness: Weight = 0.0
    gain: Literal["none", "source", "frame"] = "frame"
    tolerance: float = Field(1e-4, ge=0, lt=1)
    seed: Seed = 0


class Fit(NamedTuple):
    """A fitted mixture: what its sources are, and how the fit went.

    `spectra` (sources, batch, frames, bins) with their gains; `gains` (sources, batch, frames or 1, 1); `latents` of
    each source (batch, frames, latent). `trace` (steps + 1, batch, restarts) is the lowest objective so far, and
    `chosen` (batch,) the restart that is taken.
    """

    spectra: Tensor
    gains: Tensor
    latents: list[Tensor]
    trace: Tensor
    chosen: Tensor


def update_gains(mixture: Tensor, spectra: Tensor, gains: Tensor, config: GenerativeConfig) -> Tensor:
    """Return gains under which the mixture is no less likely: one step of majorisation-minimisation.

    Args:
        mixture: (batch, frames, bins), magnitudes (Poisson) or powers (Itakura–Saito).
        spectra: of the sources without their gains (sources, batch, frames, bins).
        gains: (sources, batch, frames or 1, 1).
        config: likelihood and kind of gain.

    Source: Lee & Seung 2001, Theorem 2; Févotte & Idier 2011; with the floor as a source that stays.
    """
    if config.gain == "none":
        return gains
    axes = (-1,) if config.gain == "frame" else (-2, -1)
    mixture, total = mixture + SPECTRUM_FLOOR, (gains * spectra).sum(0) + SPECTRUM_FLOOR
    if config.likelihood == "poisson":
        wanted, present = spectra * (mixture / total), spectra
    else:
        present = spectra / total
        wanted = present * (mixture / total)
    tiny = torch.finfo(spectra.dtype).tiny
    ratio = wanted.sum(axes, keepdim=True) / present.sum(axes, keepdim=True).clamp_min(tiny)
    return gains * (ratio if config.likelihood == "poisson" else ratio.sqrt())


def fit_objective(mixture: Tensor, spectra: Tensor, latents: Sequence[Tensor], config: GenerativeConfig) -> Tensor:
    """Return what a fit minimises, (batch,), from spectra with their gains (sources, batch, frames, bins)."""
    nll: Tensor = LIKELIHOODS.resolve(config.likelihood)(mixture, Decoded(spectra.sum(0), None), 1.0).sum((-2, -1))
    if config.prior_weight:
        nll = nll + 0.5 * config.prior_weight * sum(latent.square().sum((-2, -1)) for latent in latents)
    if config.smoothness:
        nll = nll + config.smoothness * spectra.diff(dim=-2).abs().sum((0, -2, -1))
    return nll


def draw_starts(posteriors: Mapping[str, Posterior], config: GenerativeConfig) -> list[Tensor]:
    """Return where fits start, (batch, restarts, frames, latent) for each source: its posterior's mean, then N(0, I).

    All items of a batch have the same draws, so that each is fitted as it would be alone.
    """
    starts = []
    for name, posterior in posteriors.items():
        mean = posterior.mean
        draws = [mean]
        for number in range(1, config.n_restarts):
            generator = torch_generator(config.seed, "restart", name, number)
            drawn = torch.randn(mean.shape[1:], generator=generator).to(mean)
            draws.append(drawn.expand_as(mean))
        starts.append(torch.stack(draws, dim=1))
    return starts


class _Best:
    """The lowest objective of each fit so far, and what gave it."""

    def __init__(self, mixture: Tensor, tolerance: float) -> None:
        self.objective = mixture.new_full((len(mixture),), torch.inf)
        self.moving = torch.ones(len(mixture), dtype=torch.bool, device=mixture.device)
        self._tolerance, self._nothing = tolerance, _NOTHING * mixture[0].numel()
        self.latents, self.gains = list[Tensor](), torch.empty(0)
        self.trace: list[Tensor] = []

    def take(self, objective: Tensor, latents: Sequence[Tensor], gains: Tensor) -> bool:
        """Keep what is better of the fits that still move, and say whether any does."""
        better = (objective < self.objective) & self.moving
        if not self.trace:
            self.latents, self.gains = [latent.detach().clone() for latent in latents], gains.clone()
        else:
            for kept, latent in zip(self.latents, latents, strict=True):
                kept.copy_(torch.where(better[:, None, None], latent.detach(), kept))
            self.gains = torch.where(better[:, None, None], gains, self.gains)
        self.objective = torch.where(better, objective, self.objective)
        self.trace.append(self.objective)
        if len(self.trace) > _STILL_STEPS:
            before = self.trace[-1 - _STILL_STEPS]
            # A fit that has stopped stays stopped: what is beside it in the batch does not change its result.
            self.moving &= before - self.objective > self._tolerance * before.abs().clamp_min(self._nothing)
        return bool(self.moving.any())


def fit_sources(
    mixture: Tensor, decoders: Sequence[Decoder], starts: Sequence[Tensor], config: GenerativeConfig
) -> Fit:
    """Fit latents and gains of all sources to mixtures.

    Args:
        mixture: (batch, frames, bins), magnitudes for a Poisson likelihood, powers for Itakura–Saito.
        decoders: of the sources; differentiable.
        starts: for each source latents (batch, restarts, frames, latent).
        config: what is minimised, and how.

    Example:
        >>> mixture = torch.tensor([[[2.0, 3.0]]])
        >>> decoders = [lambda z: torch.eye(2)[0] + 0 * z, lambda z: torch.eye(2)[1] + 0 * z]
        >>> fit = fit_sources(mixture, decoders, [torch.zeros(1, 1, 1, 2)] * 2, GenerativeConfig(n_steps=0))
        >>> fit.gains.flatten().round(decimals=4).tolist()
        [2.0, 3.0]
    """
    with torch.inference_mode(False), torch.enable_grad():
        n_batch, n_restarts, n_frames = starts[0].shape[:3]
        # Fits side by side: (batch · restarts, …)
        latents = [start.detach().clone().flatten(0, 1).requires_grad_() for start in starts]
        repeated = mixture.detach().clone().repeat_interleave(n_restarts, dim=0)
        n_gains = n_frames if config.gain == "frame" else 1
        gains = repeated.new_ones((len(starts), len(repeated), n_gains, 1))
        adam = torch.optim.Adam(latents, lr=config.learning_rate)
        best = _Best(repeated, config.tolerance)
        for step in range(config.n_steps + 1):
            spectra = torch.stack([decode(latent) for decode, latent in zip(decoders, latents, strict=True)])
            gains = update_gains(repeated, spectra.detach(), gains, config)
            objective = fit_objective(repeated, gains * spectra, latents, config)
            moving = best.take(objective.detach(), latents, gains.transpose(0, 1).flatten(2))
            if not moving or step == config.n_steps:
                break
            for latent, slope in zip(latents, torch.autograd.grad(objective.sum(), latents), strict=True):
                latent.grad = slope
            adam.step()
        trace = torch.stack(best.trace).reshape(-1, n_batch, n_restarts)
    chosen = trace[-1].argmin(-1)
    rows = torch.arange(n_batch, device=chosen.device) * n_restarts + chosen
    kept = [latent[rows] for latent in best.latents]
    # (fits, sources, gains of a source) -> (sources, batch, frames or 1, 1)
    gains = best.gains[rows].transpose(0, 1)[..., None]
    with torch.no_grad():
        spectra = gains * torch.stack([decode(latent) for decode, latent in zip(decoders, kept, strict=True)])
    return Fit(spectra, gains, kept, trace, chosen)


def infer_sources(
    models: Mapping[str, SourceNetwork], posteriors: Mapping[str, Posterior], mixture: Tensor, config: GenerativeConfig
) -> dict[str, Reconstruction]:
    """Return the sources of mixtures as their models fitted to the mixture give them.

    Args:
        models: of the sources.
        posteriors: what the encoder of each makes of the mixture.
        mixture: features (batch, frames, bins) of the mixture as the models' target has them.
        config: how to fit.
    """

    def decoder(model: SourceNetwork) -> Decoder:
        return lambda latent: model.decode(latent).spectrum

    fit = fit_sources(mixture, [decoder(model) for model in models.values()], draw_starts(posteriors, config), config)
    return {
        name: Reconstruction(posteriors[name], None, latent, Decoded(spectrum, None))
        for name, latent, spectrum in zip(models, fit.latents, fit.spectra, strict=True)
    }

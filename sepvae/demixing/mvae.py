"""MVAE: latents of a conditional VAE of speech that descend the objective (Kameoka et al. 2019)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from sepvae.demixing.contract import SpeechModel
from sepvae.demixing.speech_model import (
    FLOOR,
    CvaeVariances,
    DecodedSources,
    InferredSources,
    SpeechDemixingConfig,
    SpeechModelAlgorithm,
    to_variances,
)
from sepvae.limits import LearningRate, Tolerance


class MvaeVariances(CvaeVariances):
    """Latents and classes that descend the objective, all sources of all recordings in one batch.

    Each fit starts from where the last one ended. The inference of FastMVAE2 is asked again, source by source, as long
    as it says something better than that: a start that was wrong while the sources were mixed is left behind. A step
    that does not lower the objective of a source is not taken, so that the algorithm converges. Where products are made
    in half precision the slopes are rounded, but not what they have to lower: the objective is that of the rounded
    variances.

    Args:
        model: as in `CvaeVariances`.
        n_steps: steps of Adam at each iteration.
        learning_rate: of them.
        speakers: as in `CvaeVariances`.
        half: compute the network's products in bfloat16.
    """

    def __init__(
        self,
        model: SpeechModel,
        *,
        n_steps: int,
        learning_rate: float,
        speakers: Tensor | None = None,
        half: bool = False,
    ) -> None:
        super().__init__(model, speakers=speakers, half=half)
        self._n_steps, self._learning_rate = n_steps, learning_rate
        self._best: DecodedSources | None = None
        # Sources (sources,) whose inference has never been behind.
        self._infer_again = torch.empty(0)
        self._descent: tuple[InferredSources, torch.optim.Optimizer] | None = None
        # Where the last step led, and its log-variances in their graph: a fit that goes on from there needs no new one.
        self._last: tuple[DecodedSources, Tensor] | None = None

    def _cost(self, power: Tensor, sources: DecodedSources) -> Tensor:
        """Return the contrast of each source (sources,) at its best gain, times the frames."""
        n_values = power.shape[1] * power.shape[2]
        fit = n_values * (power / sources.variances).mean((1, 2)).log() + sources.variances.log().sum((1, 2))
        return fit + 0.5 * sources.inferred.latent.square().sum((1, 2))

    def _slopes(self, power: Tensor, variances: Tensor, log_variances: Tensor, leaves: InferredSources) -> list[Tensor]:
        """Return the slopes of the cost in latents and classes, those of the log-variances in closed form."""
        ratios = power / variances
        slopes = (1 - ratios / ratios.mean((1, 2), keepdim=True)) * (1 - FLOOR / variances)
        found = torch.autograd.grad(log_variances, leaves, slopes, allow_unused=True, materialize_grads=True)
        return [found[0] + leaves.latent.detach(), *found[1:]]

    def _start(self, power: Tensor) -> tuple[DecodedSources, Tensor]:
        """Return what to descend from, and what it costs (sources,)."""
        if self._best is None:
            best = self._infer(power)
            lowest = self._cost(power, best)
            self._infer_again = torch.ones_like(lowest, dtype=torch.bool)
            return best, lowest
        best, lowest = self._best, self._cost(power, self._best)
        if self._infer_again.any():
            again = self._infer(power)
            cost = self._cost(power, again).where(self._infer_again, torch.inf)
            self._infer_again = cost < lowest
            best, lowest = _lower(best, lowest, again, cost)
        return best, lowest

    def _decode_leaves(self, leaves: InferredSources) -> tuple[DecodedSources, Tensor]:
        """Return what the leaves stand for, and their log-variances in their graph."""
        with torch.enable_grad():
            log_variances = self._log_variances(leaves)
        inferred = InferredSources(*(leaf.detach().clone() for leaf in leaves))
        return DecodedSources(inferred, to_variances(log_variances.detach())), log_variances

    def _descend_from(self, inferred: InferredSources) -> tuple[InferredSources, torch.optim.Optimizer]:
        """Return leaves at what is inferred, and what moves them, with the momentum of the last fit."""
        if self._descent is None:
            leaves = InferredSources(*(values.clone().requires_grad_(True) for values in inferred))
            self._descent = leaves, torch.optim.Adam(leaves, lr=self._learning_rate)
        leaves, optimiser = self._descent
        for leaf, values in zip(leaves, inferred, strict=True):
            leaf.copy_(values)
        return leaves, optimiser

    @torch.no_grad()
    def _fit_sources(self, power: Tensor) -> DecodedSources:
        best, lowest = self._start(power)
        if self._descent is not None and self._last is not None and self._last[0] is best:
            (leaves, optimiser), (here, log_variances) = self._descent, self._last
        else:
            leaves, optimiser = self._descend_from(best.inferred)
            here, log_variances = self._decode_leaves(leaves)
        for _ in range(self._n_steps):
            slopes = self._slopes(power, here.variances, log_variances, leaves)
            for leaf, slope in zip(leaves, slopes, strict=True):
                leaf.grad = slope
            optimiser.step()
            here, log_variances = self._decode_leaves(leaves)
            best, lowest = _lower(best, lowest, here, self._cost(power, here))
        self._best, self._last = best, (here, log_variances)
        return best


def _lower(
    one: DecodedSources, cost: Tensor, other: DecodedSources, other_cost: Tensor
) -> tuple[DecodedSources, Tensor]:
    """Return of each source the one of two that costs (sources,) less, and what it costs."""
    better = other_cost < cost
    if bool(better.all()):
        return other, other_cost

    def pick(values: Tensor, others: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (values.dim() - 1)), others, values)

    inferred = InferredSources(*(pick(*both) for both in zip(one.inferred, other.inferred, strict=True)))
    return DecodedSources(inferred, pick(one.variances, other.variances)), pick(cost, other_cost)


class MvaeConfig(SpeechDemixingConfig):
    """How many `steps` of Adam fit the sources at each iteration and how far they go; the demixing and its start."""

    tolerance: Tolerance = 1e-3
    steps: int = Field(5, ge=1, le=10_000)
    learning_rate: LearningRate = 0.1


class Mvae(SpeechModelAlgorithm):
    """A VAE of many speakers is fitted to the recording by gradient steps (Kameoka et al. 2019)."""

    Config = MvaeConfig
    label = "MVAE"
    monotone = True
    config: MvaeConfig

    def variances(self, n_batch: int, speakers: Tensor | None) -> MvaeVariances:  # noqa: ARG002
        """Return latents that have not begun to descend."""
        steps, rate = self.config.steps, self.config.learning_rate
        return MvaeVariances(self.model, n_steps=steps, learning_rate=rate, speakers=speakers, half=self.half)

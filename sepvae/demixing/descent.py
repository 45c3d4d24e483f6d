"""MVAE's model of sources: latents of a conditional VAE of speech that descend the objective (Kameoka et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.demixing.neural import FLOOR, Heard, NeuralVariances, Voice, to_variances
from sepvae.models.conditional import ConditionalVae


class MvaeVariances(NeuralVariances):
    """Latents and classes that descend the objective, all sources of all recordings in one batch.

    Each fit starts from where the last one ended. The inference of FastMVAE2 is asked again, source by source, as long
    as it says something better than that: a start that was wrong while the sources were mixed is left behind. A step
    that does not lower the objective of a source is not taken, so that the algorithm converges. Where products are made
    in half precision the slopes are rounded, but not what they have to lower: the objective is that of the rounded
    variances.

    Args:
        model: a trained network, which is put into evaluation mode.
        n_steps: steps of Adam at each iteration.
        learning_rate: of them.
        speakers: as in `NeuralVariances`.
        half: compute the network's products in bfloat16.
    """

    monotone = True

    def __init__(
        self,
        model: ConditionalVae,
        *,
        n_steps: int,
        learning_rate: float,
        speakers: Tensor | None = None,
        half: bool = False,
    ) -> None:
        super().__init__(model, speakers=speakers, half=half)
        self._n_steps, self._learning_rate = n_steps, learning_rate
        self._kept: Heard | None = None
        # Sources (sources,) whose inference has never been behind.
        self._asked = torch.empty(0)
        self._descent: tuple[Voice, torch.optim.Optimizer] | None = None
        # Where the last step led, and its log-variances in their graph: a fit that goes on from there needs no new one.
        self._last: tuple[Heard, Tensor] | None = None

    def _cost(self, power: Tensor, heard: Heard) -> Tensor:
        """Return the contrast of each source (sources,) at its best gain, times the frames."""
        n_values = power.shape[1] * power.shape[2]
        fit = n_values * (power / heard.variances).mean((1, 2)).log() + heard.variances.log().sum((1, 2))
        return fit + 0.5 * heard.voice.latent.square().sum((1, 2))

    def _slopes(self, power: Tensor, variances: Tensor, log_variances: Tensor, leaves: Voice) -> list[Tensor]:
        """Return the slopes of the cost in latents and classes, those of the log-variances in closed form."""
        ratios = power / variances
        slopes = (1 - ratios / ratios.mean((1, 2), keepdim=True)) * (1 - FLOOR / variances)
        found = torch.autograd.grad(log_variances, leaves, slopes, allow_unused=True, materialize_grads=True)
        return [found[0] + leaves.latent.detach(), *found[1:]]

    def _start(self, power: Tensor) -> tuple[Heard, Tensor]:
        """Return what to descend from, and what it costs (sources,)."""
        if self._kept is None:
            best = self._inferred(power)
            lowest = self._cost(power, best)
            self._asked = torch.ones_like(lowest, dtype=torch.bool)
            return best, lowest
        best, lowest = self._kept, self._cost(power, self._kept)
        if self._asked.any():
            again = self._inferred(power)
            cost = self._cost(power, again).where(self._asked, torch.inf)
            self._asked = cost < lowest
            best, lowest = _lower(best, lowest, again, cost)
        return best, lowest

    def _there(self, leaves: Voice) -> tuple[Heard, Tensor]:
        """Return what the leaves stand for, and their log-variances in their graph."""
        with torch.enable_grad():
            log_variances = self._log_variances(leaves)
        voice = Voice(*(leaf.detach().clone() for leaf in leaves))
        return Heard(voice, to_variances(log_variances.detach())), log_variances

    def _descend_from(self, voice: Voice) -> tuple[Voice, torch.optim.Optimizer]:
        """Return leaves that stand at a voice, and what moves them, with the momentum of the last fit."""
        if self._descent is None:
            leaves = Voice(*(values.clone().requires_grad_(True) for values in voice))
            self._descent = leaves, torch.optim.Adam(leaves, lr=self._learning_rate)
        leaves, optimiser = self._descent
        for leaf, values in zip(leaves, voice, strict=True):
            leaf.copy_(values)
        return leaves, optimiser

    @torch.no_grad()
    def _listen(self, power: Tensor) -> Heard:
        best, lowest = self._start(power)
        if self._descent is not None and self._last is not None and self._last[0] is best:
            (leaves, optimiser), (here, log_variances) = self._descent, self._last
        else:
            leaves, optimiser = self._descend_from(best.voice)
            here, log_variances = self._there(leaves)
        for _ in range(self._n_steps):
            slopes = self._slopes(power, here.variances, log_variances, leaves)
            for leaf, slope in zip(leaves, slopes, strict=True):
                leaf.grad = slope
            optimiser.step()
            here, log_variances = self._there(leaves)
            best, lowest = _lower(best, lowest, here, self._cost(power, here))
        self._kept, self._last = best, (here, log_variances)
        return best


def _lower(one: Heard, cost: Tensor, other: Heard, other_cost: Tensor) -> tuple[Heard, Tensor]:
    """Return of each source the one of two that costs (sources,) less, and what it costs."""
    better = other_cost < cost
    if bool(better.all()):
        return other, other_cost

    def pick(values: Tensor, others: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (values.dim() - 1)), others, values)

    voice = Voice(*(pick(*both) for both in zip(one.voice, other.voice, strict=True)))
    return Heard(voice, pick(one.variances, other.variances)), pick(cost, other_cost)

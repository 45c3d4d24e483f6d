"""The multichannel VAE's models of sources: a conditional VAE of speech, fitted to what has been demixed so far.

MVAE: Kameoka et al. 2019. FastMVAE: Li et al. 2019. FastMVAE2: Li, Kameoka & Makino 2022.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from sepvae.demixing.contract import Fitted
from sepvae.models.conditional import ConditionalVae

# Below this share of the gain of a source there is nothing: the floor of the training.
_FLOOR = 1e-8
_SILENCE = 1e-20


class Voice(NamedTuple):
    """What the network makes of each source: latents (sources, frames, latent) and log-classes (sources, classes)."""

    latent: Tensor
    log_classes: Tensor


class NeuralVariances:
    """What all of them share: from powers (batch, sources, bins, frames) to variances and their contrast.

    Args:
        model: a trained network, in evaluation mode.
        speakers: probabilities of the classes of each source (batch, sources, classes) when they are known; the
            network finds them when None.
        half: compute the network's products in bfloat16.
    """

    has_scale = True
    monotone = False

    def __init__(self, model: ConditionalVae, *, speakers: Tensor | None = None, half: bool = False) -> None:
        self.model = model.eval()
        self.voice: Voice | None = None
        self._speakers, self._half = None if speakers is None else speakers.flatten(0, 1), half
        self._variances = self._gains = self._log_sums = torch.empty(0)

    @abstractmethod
    def _listen(self, power: Tensor) -> Voice:
        """Return what the sources are, from powers (sources, frames, bins) of a mean of 1."""

    @property
    def log_classes(self) -> Tensor | None:
        """Of who speaks, (batch, sources, classes), as far as the model has been fitted."""
        return None if self.voice is None else self.voice.log_classes.view(*self._gains.shape[:2], -1)

    def _classes(self, voice: Voice) -> Tensor:
        return voice.log_classes.softmax(-1) if self._speakers is None else self._speakers

    def _decode(self, voice: Voice) -> Tensor:
        """Return variances without their gain, (sources, frames, bins)."""
        return self.model.decode(voice.latent, self._classes(voice)).spectrum + _FLOOR

    def fit(self, power: Tensor) -> Fitted:
        """Adapt to powers (batch, sources, bins, frames)."""
        flat = power.flatten(0, 1).transpose(1, 2).float()
        mean = flat.mean((1, 2), keepdim=True)
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self._half):
            self.voice = self._listen(flat / torch.where(mean > _SILENCE, mean, 1.0))
            with torch.no_grad():
                decoded = self._decode(self.voice)
        # (batch, sources, 1, 1)
        self._log_sums = decoded.log().sum(2, dtype=power.dtype).mean(1).view(*power.shape[:2], 1, 1)
        self._variances = decoded.transpose(1, 2).reshape(power.shape).to(power)
        self._gains = (power / self._variances).mean((2, 3), keepdim=True).clamp_min(_SILENCE)
        return Fitted(self._variances * self._gains, self.contrast(power))

    def contrast(self, power: Tensor) -> Tensor:
        """Return the contrast (batch,), with the prior of the latents."""
        n_bins = power.shape[2]
        ratios = n_bins * (power / self._variances).mean((2, 3), keepdim=True) / self._gains
        found = (self._log_sums + n_bins * self._gains.log() + ratios).sum((1, 2, 3))
        if self.voice is not None:
            prior = 0.5 * self.voice.latent.square().sum((1, 2)).to(power) / power.shape[3]
            found = found + prior.view(power.shape[:2]).sum(1)
        return found

    def rescale(self, factors: Tensor) -> None:
        """Multiply the gains."""
        self._gains = self._gains * factors[:, :, None, None]


class FastMvae2Variances(NeuralVariances):
    """Class and latents in one pass of the network that was taught to infer both."""

    @torch.no_grad()
    def _listen(self, power: Tensor) -> Voice:
        found = self.model.infer(power)
        return Voice(found.posterior.mean, found.log_classes)


class FastMvaeVariances(NeuralVariances):
    """The class from the classifier, then the latents from the encoder that is told the class."""

    @torch.no_grad()
    def _listen(self, power: Tensor) -> Voice:
        log_classes = self.model.infer(power).log_classes
        voice = Voice(power.new_empty(0), log_classes)
        return Voice(self.model.encode(power, self._classes(voice)).mean, log_classes)


class MvaeVariances(NeuralVariances):
    """Latents and classes that descend the objective, all sources of all recordings in one batch.

    Each fit starts from where the last one ended or from what the inference of FastMVAE2 says now, whichever is lower,
    source by source: a start that was wrong while the sources were mixed is left behind. A step that does not lower the
    objective of a source is not taken, so that the algorithm converges.

    Args:
        model: a trained network, in evaluation mode.
        n_steps: steps of Adam at each iteration.
        learning_rate: of them.
        speakers: as in `NeuralVariances`.
        half: compute what the inference says in bfloat16; the descent is in single precision.
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
        super().__init__(model, speakers=speakers)
        self._n_steps, self._learning_rate, self._half_inference = n_steps, learning_rate, half
        self._momentum: tuple[list[Tensor], torch.optim.Optimizer] | None = None

    def _cost(self, power: Tensor, voice: Voice) -> Tensor:
        """Return the contrast of each source (sources,) at its best gain, times the frames."""
        variances = self._decode(voice)
        n_bins = power.shape[1] * power.shape[2]
        fit = n_bins * (power / variances).mean((1, 2)).log() + variances.log().sum((1, 2))
        return fit + 0.5 * voice.latent.square().sum((1, 2))

    @torch.no_grad()
    def _start(self, power: Tensor) -> tuple[list[Tensor], torch.optim.Optimizer]:
        """Return latents and classes to descend from, and what descends."""
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self._half_inference):
            found = self.model.infer(power)
        inferred = Voice(found.posterior.mean.float(), found.log_classes.float())
        if self._momentum is None:
            leaves = [values.clone().requires_grad_(True) for values in inferred]
            return leaves, torch.optim.Adam(leaves, lr=self._learning_rate)
        leaves, optimiser = self._momentum
        lower = self._cost(power, inferred) < self._cost(power, Voice(*leaves))
        for leaf, values in zip(leaves, inferred, strict=True):
            leaf[lower] = values[lower]
        return leaves, optimiser

    def _listen(self, power: Tensor) -> Voice:
        leaves, optimiser = self._momentum = self._start(power)
        best = [leaf.detach().clone() for leaf in leaves]
        lowest = torch.full((len(power),), torch.inf, device=power.device)
        for step in range(self._n_steps + 1):
            with torch.set_grad_enabled(step < self._n_steps):
                cost = self._cost(power, Voice(*leaves))
            better = cost.detach() < lowest
            lowest = torch.where(better, cost.detach(), lowest)
            for kept, leaf in zip(best, leaves, strict=True):
                kept[better] = leaf.detach()[better]
            if step < self._n_steps:
                grads = torch.autograd.grad(cost.sum(), leaves, allow_unused=True)
                for leaf, grad in zip(leaves, grads, strict=True):
                    leaf.grad = grad
                optimiser.step()
        with torch.no_grad():
            for kept, leaf in zip(best, leaves, strict=True):
                leaf.copy_(kept)
        return Voice(*best)

"""Models of sources by a conditional VAE of speech, fitted to what has been demixed so far in passes of the network.

FastMVAE: Li et al. 2019. FastMVAE2: Li, Kameoka & Makino 2022. What descends instead is in `descent`.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from sepvae.demixing.contract import Fitted
from sepvae.models.conditional import ConditionalVae, within_limits

# Below this share of the gain of a source there is nothing: the floor of the training.
FLOOR = 1e-8
_SILENCE = 1e-20


class Voice(NamedTuple):
    """What the network makes of each source: latents (sources, frames, latent) and log-classes (sources, classes)."""

    latent: Tensor
    log_classes: Tensor


class Heard(NamedTuple):
    """What sources are, and the variances (sources, frames, bins), without their gain, that the network gives them."""

    voice: Voice
    variances: Tensor


class NeuralVariances:
    """What all of them share: from powers (batch, sources, bins, frames) to variances and their contrast.

    Args:
        model: a trained network, which is put into evaluation mode.
        speakers: probabilities of the classes of each source (batch, sources, classes) when they are known; the
            network finds them when None.
        half: compute the network's products in bfloat16.
    """

    has_scale = True
    monotone = False

    def __init__(self, model: ConditionalVae, *, speakers: Tensor | None = None, half: bool = False) -> None:
        # Weights of half the precision, once and for all: autocast would round them again at each fit.
        self.model = copy.deepcopy(model).bfloat16().eval() if half else model.eval()
        self.voice: Voice | None = None
        self._speakers, self._half = None if speakers is None else speakers.flatten(0, 1), half
        self._variances = self._gains = self._log_sums = torch.empty(0)

    @abstractmethod
    def _listen(self, power: Tensor) -> Heard:
        """Return what the sources are, from powers (sources, frames, bins) of a mean of 1."""

    @property
    def log_classes(self) -> Tensor | None:
        """Of who speaks, (batch, sources, classes), as far as the model has been fitted."""
        return None if self.voice is None else self.voice.log_classes.view(*self._gains.shape[:2], -1)

    def _classes(self, voice: Voice) -> Tensor:
        return voice.log_classes.softmax(-1) if self._speakers is None else self._speakers

    def _log_variances(self, voice: Voice) -> Tensor:
        return self.model.log_variances(voice.latent, self._classes(voice))

    def _decode(self, voice: Voice) -> Tensor:
        """Return variances without their gain, (sources, frames, bins)."""
        return to_variances(self._log_variances(voice))

    def _inferred(self, power: Tensor) -> Heard:
        """Return what one pass of the inference makes of powers (sources, frames, bins)."""
        found = self.model.infer(power)
        voice = Voice(found.posterior.mean, found.log_classes)
        return Heard(voice, self._decode(voice))

    def fit(self, power: Tensor) -> Fitted:
        """Adapt to powers (batch, sources, bins, frames)."""
        level = power.mean((2, 3)).flatten()[:, None, None]
        flat = power.flatten(0, 1).transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        # Its cache would keep the latents as they were before a step.
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self._half, cache_enabled=False):
            self.voice, decoded = self._listen(flat / torch.where(level > _SILENCE, level, 1.0).float())
        # (batch, sources, 1, 1)
        self._log_sums = decoded.log().sum(2, dtype=power.dtype).mean(1).view(*power.shape[:2], 1, 1)
        variances = decoded.transpose(1, 2).to(power.dtype, memory_format=torch.contiguous_format)
        self._variances = variances.view(power.shape)
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
    def _listen(self, power: Tensor) -> Heard:
        return self._inferred(power)


class FastMvaeVariances(NeuralVariances):
    """The class from the classifier, then the latents from the encoder that is told the class."""

    @torch.no_grad()
    def _listen(self, power: Tensor) -> Heard:
        log_classes = self.model.infer(power).log_classes
        voice = Voice(power.new_empty(0), log_classes)
        voice = Voice(self.model.encode(power, self._classes(voice)).mean, log_classes)
        return Heard(voice, self._decode(voice))


def to_variances(log_variances: Tensor) -> Tensor:
    """Return variances, which have a floor."""
    return within_limits(log_variances).exp_().add_(FLOOR)

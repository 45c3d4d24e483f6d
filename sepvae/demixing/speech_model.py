"""What the algorithms with a conditional VAE of speech share: the source model, known speakers, the start by AuxIVA."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sepvae.config import Config
from sepvae.demixing.algorithm import DemixingAlgorithm, DemixingConfig
from sepvae.demixing.auxiva import AuxIvaVariances, Density
from sepvae.demixing.contract import Fitted, SpeechModel
from sepvae.demixing.loop import demix
from sepvae.demixing.projection_back import mixing_matrices
from sepvae.demixing.updates import UpdateName
from sepvae.devices import Precision, resolve_precision
from sepvae.models.network import within_limits

# Below this share of the gain of a source there is nothing: the floor of the training.
FLOOR = 1e-8
_SILENCE = 1e-20


class InferredSources(NamedTuple):
    """What the network infers: latents (sources, frames, latent) and log-classes (sources, classes)."""

    latent: Tensor
    log_classes: Tensor


class DecodedSources(NamedTuple):
    """What is inferred, and the variances (sources, frames, bins), without their gain, that the network gives it."""

    inferred: InferredSources
    variances: Tensor


class CvaeVariances(ABC):
    """A conditional VAE as the source model: from powers (batch, sources, bins, frames) to variances and contrast.

    Args:
        model: of speech; its network is put into evaluation mode.
        speakers: probabilities of the classes of each source (batch, sources, classes) when they are known; the
            network finds them when None.
        half: compute the network's products in bfloat16.
    """

    has_scale = True

    def __init__(self, model: SpeechModel, *, speakers: Tensor | None = None, half: bool = False) -> None:
        network, self._seen = model.network, model.seen
        # Weights of half the precision, once and for all: autocast would round them again at each fit.
        self.network = copy.deepcopy(network).bfloat16().eval() if half else network.eval()
        self.inferred: InferredSources | None = None
        self._speakers, self._half = None if speakers is None else speakers.flatten(0, 1), half
        self._variances = self._gains = self._log_sums = torch.empty(0)

    @abstractmethod
    def _fit_sources(self, power: Tensor) -> DecodedSources:
        """Return what the sources are, from powers (sources, frames, bins) as the network sees them."""

    @property
    def log_classes(self) -> Tensor | None:
        """Of who speaks, (batch, sources, classes), as far as the model has been fitted."""
        return None if self.inferred is None else self.inferred.log_classes.view(*self._gains.shape[:2], -1)

    def _classes(self, log_classes: Tensor) -> Tensor:
        """Return probabilities (sources, classes): of the speakers who are known, or else as inferred."""
        return log_classes.softmax(-1) if self._speakers is None else self._speakers

    def _log_variances(self, inferred: InferredSources) -> Tensor:
        return self.network.log_variances(inferred.latent, self._classes(inferred.log_classes))

    def _decode(self, inferred: InferredSources) -> DecodedSources:
        return DecodedSources(inferred, to_variances(self._log_variances(inferred)))

    def _infer(self, power: Tensor) -> DecodedSources:
        """Return what one pass of the inference makes of powers (sources, frames, bins)."""
        found = self.network.infer(power)
        return self._decode(InferredSources(found.posterior.mean, found.log_classes))

    def fit(self, power: Tensor) -> Fitted:
        """Adapt to powers (batch, sources, bins, frames)."""
        flat = power.flatten(0, 1).transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        # Its cache would keep the latents as they were before a step.
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self._half, cache_enabled=False):
            self.inferred, decoded = self._fit_sources(self._seen(flat))
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
        if self.inferred is not None:
            prior = 0.5 * self.inferred.latent.square().sum((1, 2)).to(power) / power.shape[3]
            found = found + prior.view(power.shape[:2]).sum(1)
        return found

    def rescale(self, factors: Tensor) -> None:
        """Multiply the gains."""
        self._gains = self._gains * factors[:, :, None, None]


def to_variances(log_variances: Tensor) -> Tensor:
    """Return variances, which have a floor."""
    return within_limits(log_variances).exp_().add_(FLOOR)


class SpeechModelConfig(Config):
    """What an algorithm with a model of speech is told.

    It starts from `start_iterations` of AuxIVA with this `density` and `update`. `precision` is that of the network's
    products: `auto` takes bfloat16 where the machine has units for it; the demixing is in double precision.
    """

    density: Density = "gauss"
    update: UpdateName = "ip"
    start_iterations: int = Field(40, ge=0, le=10_000)
    precision: Precision = "auto"


class SpeechDemixingConfig(DemixingConfig, SpeechModelConfig):
    """What a determined algorithm with a model of speech is told, of both."""


class SpeechModelAlgorithm(DemixingAlgorithm):
    """An algorithm with a model of speech, which starts from AuxIVA, at the scale and in the order the model needs.

    Args:
        config: its settings.
        model: of speech, whose network is put into evaluation mode.
    """

    needs_model: ClassVar[bool] = True
    monotone: ClassVar[bool] = False

    def __init__(self, config: SpeechModelConfig, model: SpeechModel) -> None:
        super().__init__(config)
        device = next(model.network.parameters()).device
        self.model, self.half = model, resolve_precision(config.precision, str(device)) == "bf16-mixed"

    def start(self, reduced: Tensor, row: Tensor, speakers: Tensor | None) -> Tensor:
        """Return the demixing matrices of AuxIVA."""
        start = demix(
            reduced,
            AuxIvaVariances(self.config.density),
            n_iterations=self.config.start_iterations,
            demixing=super().start(reduced, row, speakers),
            update=self.config.update,
        ).demixing
        # At the scale of the microphone, as the model has learnt speech; a source that is not in it keeps its own.
        scale = (row[:, :, None] @ mixing_matrices(start))[:, :, 0, :, None]
        start = start * torch.where(scale.abs() > _SILENCE, scale, torch.ones_like(scale))
        if speakers is not None:
            power = (start @ reduced).abs().square().transpose(1, 2)
            order = match_speakers(power, self.model, speakers)
            start = torch.stack([item[:, places] for item, places in zip(start, order, strict=True)])
        return start


def match_speakers(power: Tensor, model: SpeechModel, speakers: Tensor) -> Tensor:
    """Return which source is which speaker, as far as their voices say, each speaker once.

    Args:
        power: of the sources (batch, sources, bins, frames).
        model: of speech.
        speakers: probabilities of the classes (batch, sources, classes).

    Returns:
        For each speaker the place of the source (batch, sources).
    """
    flat = power.flatten(0, 1).transpose(1, 2).float()
    with torch.no_grad():
        found = model.network.infer(model.seen(flat)).log_classes
    # (batch, speakers, sources): how well each would be the other.
    scores = speakers.to(found) @ found.view(*power.shape[:2], -1).mT
    columns = [linear_sum_assignment(item.cpu().numpy(), maximize=True)[1] for item in scores]
    return torch.as_tensor(np.stack(columns), device=power.device)

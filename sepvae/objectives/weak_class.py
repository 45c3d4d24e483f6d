"""Training from the class labels of mixtures alone: the outputs of the classes present add up to the mixture.

Karamatlı, Cemgil & Kırbız 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.models.contract import Decoded
from sepvae.models.network import SourceNetwork
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sampler
from sepvae.objectives.likelihoods import poisson


class WeakClassConfig(Config):
    """Weight of the KL term (10 in the paper), noise of the latents, and the share of batches with one class alone."""

    beta: float = Field(10.0, ge=0)
    epsilon_std: float = Field(1.0, ge=0)
    single_class_weight: float = Field(1.0, gt=0)


class WeakClass(Objective):
    """Each class's network is given the whole mixture; those present are summed and compared with it (Poisson).

    No source of a mixture is its target, only which classes are in it. Where every mixture has all classes nothing
    tells them apart, so mixtures of one class, which the paper's data have, are made from the batch: the sum of the
    clean spectra of a class in two of its items. Their labels name that class alone, and it must explain them by
    itself. That sum takes magnitudes to be additive, as the objective does. The networks' input is compared with their
    output, so both are the same feature.
    """

    Config: ClassVar[type[Config]] = WeakClassConfig
    compares_inputs: ClassVar[bool] = True
    config: WeakClassConfig

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        """Return the loss of the networks, one per class, on a batch of mixtures of all classes.

        Raises:
            ConfigError: inputs and outputs are different features.
        """
        config, draw = self.config, sampler(self.config.epsilon_std, batch.generator)
        mixtures = self._mixtures(models, batch)
        terms: dict[str, Tensor] = {}
        spectra = []
        for name, model in models.items():
            found = model.reconstruct(batch.input, draw)
            spectra.append(found.decoded.spectrum)
            terms[f"{name}/kl"] = config.beta * kl_divergence(found.posterior, found.prior).mean()
        terms["mixture"] = self._mismatch(mixtures, torch.stack(spectra).sum(0))
        for name, model in models.items():
            alone = batch.targets[name] + batch.targets[name].roll(1, dims=0)
            found = model.reconstruct(_with_context(alone, model.context_frames), draw)
            weight = config.single_class_weight
            terms[f"{name}/alone"] = weight * self._mismatch(alone, found.decoded.spectrum)
            kl = kl_divergence(found.posterior, found.prior).mean()
            terms[f"{name}/alone_kl"] = weight * config.beta * kl
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    @staticmethod
    def _mixtures(models: Mapping[str, SourceNetwork], batch: Batch) -> Tensor:
        """Return the spectra of the mixtures (batch, frames, bins), which are the networks' input."""
        context = max(model.context_frames for model in models.values())
        mixtures = batch.input[:, context : batch.input.shape[1] - context]
        if any(mixtures.shape != target.shape for target in batch.targets.values()):
            raise ConfigError("objective weak_class compares outputs with inputs: make both features the same")
        return mixtures

    @staticmethod
    def _mismatch(mixtures: Tensor, estimate: Tensor) -> Tensor:
        """Return the generalised Kullback–Leibler divergence per frame of the mixtures from their estimate."""
        return poisson(mixtures, Decoded(estimate, None), 1.0).sum(-1).mean()


def _with_context(spectra: Tensor, context_frames: int) -> Tensor:
    """Return spectra (batch, frames, bins) with their first and last frame repeated as context."""
    return torch.nn.functional.pad(spectra.transpose(1, 2), (context_frames, context_frames), "replicate").transpose(
        1, 2
    )

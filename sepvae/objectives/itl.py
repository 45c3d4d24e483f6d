"""The objective of the information-theoretic-learning autoencoder: reconstruction + λ · divergence of codes and prior.

Santana, Emigh & Principe 2016; Singh & Ogunfunmi 2022, §6.14, Eqs. (81)–(85).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Scale, Weight
from sepvae.models.contract import most_likely
from sepvae.models.network import SourceNetwork
from sepvae.objectives import DIVERGENCES, LIKELIHOODS, PRIORS
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.divergences import median_kernel_variance


class ItlConfig(Config):
    """Likelihood, divergence and its weight λ, and the prior that the codes are compared with.

    `kernel_variance` is 2σ² of Parzen windows of variance σ²; None takes the median squared distance between codes and
    prior in each batch. `prior_std` scales the prior, whose variance is 1.
    """

    likelihood: Annotated[str, LIKELIHOODS] = "gaussian"
    likelihood_std: Scale = 1.0
    divergence: Annotated[str, DIVERGENCES] = "cauchy_schwarz"
    weight: Weight = 1.0
    prior: Annotated[str, PRIORS] = "gaussian"
    prior_std: Scale = 1.0
    kernel_variance: Scale | None = None


class Itl(Objective):
    """−log p(s|z) per frame + λ · D(codes of the batch, as many samples of the prior), summed over sources.

    The encoder is deterministic: nothing is sampled, and no density of the codes is needed.
    """

    Config: ClassVar[type[Config]] = ItlConfig
    config: ItlConfig

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch.

        Raises:
            ConfigError: a network gives the log-variance of a posterior.
        """
        config, terms = self.config, dict[str, Tensor]()
        for name, model in models.items():
            found = model.reconstruct(batch.input, most_likely)
            if found.posterior.log_variance is not None:
                raise ConfigError(
                    "objective itl needs a deterministic encoder: set model.settings.deterministic = true"
                )
            nll = LIKELIHOODS.resolve(config.likelihood)(batch.targets[name], found.decoded, config.likelihood_std)
            terms[f"{name}/reconstruction"] = nll.sum(-1).mean()
            # (batch, frames, latent) -> (batch · frames, latent): every frame is a sample; networks may give bfloat16
            codes = found.latent.flatten(0, -2)
            codes = codes.to(torch.promote_types(codes.dtype, torch.float32))
            prior = config.prior_std * PRIORS.resolve(config.prior)(len(codes), codes.shape[1], batch.generator).to(
                codes
            )
            variance = config.kernel_variance or median_kernel_variance(codes, prior)
            divergence = DIVERGENCES.resolve(config.divergence)(codes, prior, kernel_variance=variance)
            terms[f"{name}/divergence"] = config.weight * divergence
        return Loss(torch.stack(list(terms.values())).sum(), terms)

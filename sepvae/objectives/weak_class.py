"""Training from mixtures and their class labels: the outputs of the classes present add up to the mixture.

Karamatlı, Cemgil & Kırbız 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Weight
from sepvae.models.contract import Decoded
from sepvae.models.network import SourceNetwork
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sampler
from sepvae.objectives.likelihoods import poisson


class WeakClassConfig(Config):
    """Weight of the KL term (10 in the paper), and noise of the latents."""

    beta: Weight = 10.0
    epsilon_std: Weight = 1.0


class WeakClass(Objective):
    """Each class's network is given the whole mixture; those present are summed and compared with it (Poisson).

    No source of a mixture is ever seen, only which classes are in it. Where every mixture has all classes nothing tells
    them apart, so there are mixtures of one class too, which the paper's data have: two voices of it at once. The
    networks' input is compared with their output, so both are the same feature.
    """

    Config: ClassVar[type[Config]] = WeakClassConfig
    compares_inputs: ClassVar[bool] = True
    from_labels: ClassVar[bool] = True
    config: WeakClassConfig

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        """Return the loss of the networks, one per class, on a batch of mixtures and their labels.

        Raises:
            ConfigError: inputs and outputs are different features.
        """
        config, draw = self.config, sampler(self.config.epsilon_std, batch.generator)
        context = max(model.context_frames for model in models.values())
        mixtures = batch.input[:, context : batch.input.shape[1] - context]
        estimate, terms = torch.zeros_like(mixtures), dict[str, Tensor]()
        for name, model in models.items():
            found = model.reconstruct(batch.input, draw)
            if found.decoded.spectrum.shape != mixtures.shape:
                raise ConfigError("objective weak_class compares outputs with inputs: make both features the same")
            # (batch, 1): 1 where the class is in the mixture.
            present = batch.present.get(name, mixtures.new_ones(len(mixtures)))[:, None].to(mixtures.dtype)
            estimate = estimate + present[..., None] * found.decoded.spectrum
            terms[f"{name}/kl"] = config.beta * (present * kl_divergence(found.posterior, found.prior)).mean()
        # The generalised Kullback–Leibler divergence of the mixtures from the sum.
        terms["mixture"] = poisson(mixtures, Decoded(estimate, None), 1.0).sum(-1).mean()
        return Loss(torch.stack(list(terms.values())).sum(), terms)

"""The negative evidence lower bound of one VAE per source: VAE at β = 1, β-VAE otherwise.

Kingma & Welling 2014, Eq. (10); Higgins et al. 2017, Eq. (4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.limits import Scale, Weight
from sepvae.models.contract import Posterior, Sampler
from sepvae.models.network import Network, SourceNetwork
from sepvae.models.segment_network import SegmentNetwork
from sepvae.objectives import LIKELIHOODS
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Loss, Objective


class ElboConfig(Config):
    """Likelihood, weight of the KL term and its annealing.

    `epsilon_std` is the standard deviation of ε in z = μ + σ · ε: 1 for a VAE, 0.01 in the survey.
    `annealing` raises β from 0 over `annealing_steps`, once (`linear`) or again and again (`cyclic`, Fu et al. 2019).
    """

    likelihood: Annotated[str, LIKELIHOODS] = "gaussian"
    likelihood_std: Scale = 1.0
    beta: Weight = 1.0
    epsilon_std: Weight = 1.0
    annealing: Literal["none", "linear", "cyclic"] = "none"
    annealing_steps: int = Field(1000, ge=1, le=10**9)


def sample(posterior: Posterior, *, epsilon_std: float, generator: torch.Generator) -> Tensor:
    """Draw z = μ + σ · ε, ε ~ N(0, epsilon_std²), of the posterior's shape (batch, frames, latent).

    Source: Kingma & Welling 2014, §2.4; Singh & Ogunfunmi 2022, Eq. (55).
    """
    if posterior.log_variance is None or epsilon_std == 0:
        return posterior.mean
    noise = torch.empty_like(posterior.mean).normal_(0, epsilon_std, generator=generator)
    return posterior.mean + (0.5 * posterior.log_variance).exp() * noise


def sampler(epsilon_std: float, generator: torch.Generator) -> Sampler:
    """Return the sampler that draws by `sample` with noise of `epsilon_std` from `generator`."""
    return lambda posterior: sample(posterior, epsilon_std=epsilon_std, generator=generator)


def kl_divergence(posterior: Posterior, prior: Posterior | None = None) -> Tensor:
    """Return KL(q(z|x) ‖ p(z)) per frame, (batch, frames); the prior is N(0, I) when None.

    Source: Kingma & Welling 2014, App. B; a learnt prior as in Chung et al. 2015, Eq. (11). A deterministic encoder has
    no density, and no KL term.
    """
    if posterior.log_variance is None:
        return posterior.mean.new_zeros(posterior.mean.shape[:-1])
    if prior is None or prior.log_variance is None:
        terms = posterior.mean.square() + posterior.log_variance.exp() - posterior.log_variance - 1
    else:
        log_ratio = posterior.log_variance - prior.log_variance
        distance = (posterior.mean - prior.mean).square() * (-prior.log_variance).exp()
        terms = distance + log_ratio.exp() - log_ratio - 1
    return 0.5 * terms.sum(-1)


class Elbo(Objective):
    """−log p(s|z) + β · KL(q(z|x) ‖ p(z)), summed over bins, averaged over frames, summed over sources."""

    Config: ClassVar[type[Config]] = ElboConfig
    trains: ClassVar[tuple[type[Network], ...]] = (SourceNetwork, SegmentNetwork)
    config: ElboConfig

    def __init__(self, config: ElboConfig) -> None:
        super().__init__(config)
        self._likelihood = LIKELIHOODS.resolve(config.likelihood)

    def beta(self, step: int) -> float:
        """Return β at a step of the optimiser.

        Example:
            >>> elbo = Elbo(ElboConfig(beta=4.0, annealing="linear", annealing_steps=100))
            >>> [elbo.beta(step) for step in (0, 50, 100, 1000)]
            [0.0, 2.0, 4.0, 4.0]
        """
        config = self.config
        if config.annealing == "none" or step >= END_OF_SCHEDULE:
            return config.beta
        if config.annealing == "cyclic":
            # Half of each cycle rises, half of it stays at β (Fu et al. 2019).
            position = step % config.annealing_steps / config.annealing_steps
            return config.beta * min(1.0, 2 * position)
        return config.beta * min(1.0, step / config.annealing_steps)

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch."""
        beta, draw = self.beta(batch.step), sampler(self.config.epsilon_std, batch.generator)
        terms: dict[str, Tensor] = {}
        for name, model in models.items():
            found = model.reconstruct(batch.input, draw)
            nll = self._likelihood(batch.targets[name], found.decoded, self.config.likelihood_std)
            terms[f"{name}/reconstruction"] = nll.sum(-1).mean()
            # A latent of a whole segment is shared by its frames.
            latents_per_frame = found.latent.shape[1] / batch.targets[name].shape[1]
            terms[f"{name}/kl"] = beta * latents_per_frame * kl_divergence(found.posterior, found.prior).mean()
        return Loss(torch.stack(list(terms.values())).sum(), terms)

"""The objective of the FHVAE: an evidence lower bound whose prior of z2 is centred at a vector of the sequence.

Hsu, Zhang & Glass 2017 (NIPS): segment lower bound and discriminative term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Scale, Weight
from sepvae.models.contract import Posterior
from sepvae.models.network import Network
from sepvae.models.segment_network import SequenceNetwork
from sepvae.objectives import LIKELIHOODS
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Loss, Objective, Sequences
from sepvae.objectives.elbo import kl_divergence, sampler


class HierarchicalElboConfig(Config):
    """Likelihood, weight α of the discriminative term, and how far ε of z = μ + σ · ε is spread."""

    likelihood: Annotated[str, LIKELIHOODS] = "gaussian_learned"
    likelihood_std: Scale = 1.0
    discrimination: Weight = 10.0
    epsilon_std: Weight = 1.0


class HierarchicalElbo(Objective):
    """The bound of a segment, per frame: reconstruction, both KL terms, and what is known of the sequence's vector.

    The discriminative term is −α · log p(sequence | z2). Sequences that were not trained on have no vector stored:
    theirs is the most likely one given those of their segments that are in the batch.
    """

    Config: ClassVar[type[Config]] = HierarchicalElboConfig
    trains: ClassVar[tuple[type[Network], ...]] = (SequenceNetwork,)
    config: HierarchicalElboConfig

    def __init__(self, config: HierarchicalElboConfig) -> None:
        super().__init__(config)
        self._likelihood = LIKELIHOODS.resolve(config.likelihood)

    def __call__(self, models: Mapping[str, SequenceNetwork], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch of segments."""
        if batch.sequences is None:
            raise ConfigError("objective hierarchical_elbo: the batch does not say which sequence its segments are of")
        terms: dict[str, Tensor] = {}
        for name, model in models.items():
            target, draw = batch.targets[name], sampler(self.config.epsilon_std, batch.generator)
            found = model.reconstruct(batch.input, draw)
            nll = self._likelihood(target, found.decoded, self.config.likelihood_std)
            terms[f"{name}/reconstruction"] = nll.sum(-1).mean()
            own, shared = _parts(found.posterior, model.nuisance)
            vectors, index = self._vectors(model, batch, batch.sequences, shared.mean)
            log_spread = math.log(model.nuisance_prior)
            prior = Posterior(vectors[index][:, None], torch.full_like(shared.mean, log_spread))
            log_prior = -0.5 * (vectors[index].square() + math.log(2 * math.pi)).sum(-1)
            distances = torch.cdist(shared.mean[:, 0], vectors).square() / (2 * model.nuisance_prior)
            of_segment = {
                "kl_segment": kl_divergence(own).mean(),
                "kl_sequence": kl_divergence(shared, prior).mean(),
                "vector": -(log_prior / batch.sequences.n_segments).mean(),
                "discrimination": self.config.discrimination * torch.nn.functional.cross_entropy(-distances, index),
            }
            terms |= {f"{name}/{key}": term / target.shape[1] for key, term in of_segment.items()}
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    @staticmethod
    def _vectors(model: SequenceNetwork, batch: Batch, sequences: Sequences, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors (sequences, latent) and which of them each segment has, (batch,)."""
        if batch.step < END_OF_SCHEDULE:
            if model.sequence_vectors is None:
                raise ConfigError(
                    "objective hierarchical_elbo: the model has no vectors to learn: give model.settings.sequences"
                )
            return model.sequence_vectors, sequences.number
        _, index = torch.unique(sequences.number, return_inverse=True)
        sums = means.new_zeros((int(index.max()) + 1, means.shape[-1])).index_add(0, index, means[:, 0])
        counts = torch.bincount(index)[:, None]
        return sums / (counts + model.nuisance_prior), index


def _parts(posterior: Posterior, nuisance: slice) -> tuple[Posterior, Posterior]:
    """Return the posteriors of z1, and of z2, which stand behind each other."""
    mean, log_variance = posterior
    assert log_variance is not None  # noqa: S101
    before = slice(None, nuisance.start)
    return Posterior(mean[..., before], log_variance[..., before]), Posterior(
        mean[..., nuisance], log_variance[..., nuisance]
    )

"""An objective of one's own: the mean absolute error of the spectra.

sepvae train mixtures.jsonl --corpus DIR -o model --set objective.kind=l1 --plugin docs/examples/l1_objective.py
"""

from collections.abc import Mapping

import torch
from pydantic import Field

import sepvae
from sepvae.config import Config
from sepvae.models.contract import most_likely
from sepvae.models.network import SourceNetwork
from sepvae.objectives.contract import Batch, Loss, Objective


class L1Config(Config):
    """Weight of the error."""

    weight: float = Field(1.0, gt=0)


class L1(Objective):
    """|target − estimate| per frame, summed over sources; for networks that are trained on features."""

    Config = L1Config

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        terms = {}
        for name, model in models.items():
            spectrum = model.reconstruct(batch.input, most_likely).decoded.spectrum
            terms[f"{name}/l1"] = self.config.weight * (batch.targets[name] - spectrum).abs().sum(-1).mean()
        return Loss(torch.stack(list(terms.values())).sum(), terms)


sepvae.register("objective", "l1", L1)

"""What moves the weights: AdamW, or Muon for the matrices and AdamW for all other weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from sepvae.errors import ConfigError
from sepvae.training.config import OptimiserConfig


def make_optimisers(weights: Iterable[nn.Parameter], config: OptimiserConfig) -> list[Optimizer]:
    """Return the optimisers that move the weights together, each its own part of them.

    Muon moves a matrix by the orthogonal matrix nearest to its momentum, scaled to the steps of AdamW so that one
    learning rate serves both.

    Args:
        weights: of all networks.
        config: which optimiser, learning rate, momentum and weight decay.

    Raises:
        ConfigError: Muon was asked for, and no weight is a matrix.

    Source: Loshchilov & Hutter 2019; Jordan et al. 2024 and Liu et al. 2025, Eq. (4) (Muon).
    """
    weights = list(weights)
    matrices = [weight for weight in weights if weight.ndim == 2] if config.kind == "muon" else []
    if config.kind == "muon" and not matrices:
        raise ConfigError("optimiser.kind = muon: this network has no matrices to move: choose adamw")
    moved = {id(weight) for weight in matrices}
    others = [weight for weight in weights if id(weight) not in moved]
    optimisers: list[Optimizer] = []
    if matrices:
        muon = torch.optim.Muon(
            matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        optimisers.append(muon)
    if others:
        adamw = torch.optim.AdamW(
            others,
            lr=config.learning_rate,
            betas=(config.momentum, 0.999),
            weight_decay=config.weight_decay,
            fused=True,
        )
        optimisers.append(adamw)
    return optimisers

"""Estimator: front-end and networks of named sources as one torch module; it is trained, saved, loaded and run.

There is a class for each kind of network: in `separating` those that take mixtures apart, in `speech_models` the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from sepvae.errors import ConfigError
from sepvae.estimator.config import EstimatorConfig
from sepvae.frontend.frontend import Frontend


class About(NamedTuple):
    """What a model is for, in words: what it does, the commands that use it, and what it knows."""

    does: str
    usage: str
    knows: str = "the kind of voices and recordings it was trained on and no others"


class Estimator(nn.Module, ABC):
    """Networks for named sources with the front-end before them.

    Args:
        config: front-end, network and mask.
        sources: names of the sources.
        device: where the weights are made; `meta` for shapes alone.

    Raises:
        ConfigError: a source is named twice or as a part of torch's modules, or the front-end is impossible.
    """

    def __init__(self, config: EstimatorConfig, sources: Sequence[str], *, device: str = "cpu") -> None:
        super().__init__()
        self.config, self.sources = config, tuple(sources)
        self.frontend = Frontend(config.frontend)
        self.networks = nn.ModuleDict()
        for name in self.sources:
            if self.sources.count(name) > 1 or hasattr(self.networks, name):
                reason = "is there twice" if self.sources.count(name) > 1 else "is taken by torch"
                raise ConfigError(f"source name {name!r} {reason}: give another")
        for name in self.network_names:
            with torch.device(device):
                self.networks[name] = config.model.build(
                    n_inputs=self.frontend.input.n_features,
                    n_outputs=self.frontend.target.n_features,
                    sources=self.sources,
                )

    @property
    def network_names(self) -> tuple[str, ...]:
        """What the networks are called among the modules, and so among the stored weights: by their sources."""
        return self.sources

    @property
    def context_frames(self) -> int:
        """Frames before and after a frame that what it gives of it depends on; none beside a segment."""
        return 0

    @property
    def models(self) -> dict[str, Any]:
        """The network of each source, as objectives on features take them."""
        return dict(self.networks.items())

    @property
    def n_weights(self) -> int:
        """How many numbers were learnt."""
        return sum(parameter.numel() for parameter in self.networks.parameters())

    @abstractmethod
    def about(self) -> About:
        """Return what the model is for."""

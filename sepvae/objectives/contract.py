"""What every objective offers, and the closed table of the objectives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from sepvae.config import Config, parse_config
from sepvae.models.contract import SourceModel
from sepvae.tables import resolve

# The step that validation passes: the objective as it is when every schedule has ended.
END_OF_SCHEDULE = 1 << 60

# The only registry of objectives: name -> "module:Class".
OBJECTIVES: dict[str, str] = {
    "elbo": "sepvae.objectives.elbo:Elbo",
}


class Batch:
    """One batch of training: features of the mixtures and the targets of each source.

    Not a dataclass or tuple, which parallel strategies would take apart and copy.

    Args:
        input: (batch, frames + 2 · context_frames, n_inputs).
        targets: (batch, frames, n_outputs) of each source.
        step: number of the optimiser's step; drives schedules.
        generator: the batch's own stream of random numbers, on the device of the tensors.
    """

    __slots__ = ("generator", "input", "step", "targets")

    def __init__(self, input: Tensor, targets: Mapping[str, Tensor], step: int, generator: torch.Generator) -> None:  # noqa: A002
        self.input, self.targets, self.step, self.generator = input, targets, step, generator


class Loss(NamedTuple):
    """What is minimised (a scalar), and its named terms for the log, weighted so that they add up to it."""

    total: Tensor
    terms: dict[str, Tensor]


class Objective(Protocol):
    """A callable from models and a batch to a loss; holds its schedule, no weights and no state."""

    Config: ClassVar[type[Config]]

    def __init__(self, config: Any) -> None: ...

    def __call__(self, models: Mapping[str, SourceModel], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch."""
        ...


def parse_objective_config(kind: str, settings: dict[str, Any]) -> Config:
    """Return the validated config of the objective called `kind`.

    Raises:
        ConfigError: unknown objective, unknown key or impossible value; the message names it.
    """
    config_class: type[Config] = resolve(OBJECTIVES, kind, what="objective").Config
    return parse_config(config_class, settings, where=f"objective {kind}")


def make_objective(kind: str, config: Config) -> Objective:
    """Build the objective called `kind`."""
    return cast("Objective", resolve(OBJECTIVES, kind, what="objective")(config))

"""The base of all objectives, what they are given, and the choice of one: a kind of the table with its settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.models.contract import Reconstruction, Sampler
from sepvae.models.network import Network, SourceNetwork
from sepvae.objectives import OBJECTIVES
from sepvae.settings import Choice
from sepvae.tables import Table

# The step that validation passes: the objective as it is when every schedule has ended.
END_OF_SCHEDULE = 1 << 60


class Sequences(NamedTuple):
    """Which training sequence each item of a batch is of (batch,), and how many segments that one has (batch,).

    The number of a sequence is that of its mixture in the split; validation sequences have numbers of their own.
    """

    number: Tensor
    n_segments: Tensor


class Batch:
    """One batch of training: the mixtures and the targets of each source, as features or as waves.

    Not a dataclass or tuple, which parallel strategies would take apart and copy.

    Args:
        input: features (batch, frames + 2 · context_frames, n_inputs), or waves (batch, time).
        targets: features (batch, frames, n_outputs) of each source, or waves (batch, time).
        step: number of the optimiser's step; drives schedules.
        generator: the batch's own stream of random numbers, on the device of the tensors.
        speakers: who speaks in each item, for models that are told; of a mixture, whoever is its first source.
        sequences: where each item comes from, for objectives on segments that belong together.
        present: of each source, whether the mixture of each item has it (batch,); of those not named all have it.
    """

    __slots__ = ("generator", "input", "present", "sequences", "speakers", "step", "targets")

    def __init__(
        self,
        input: Tensor,  # noqa: A002
        targets: Mapping[str, Tensor],
        step: int,
        generator: torch.Generator,
        speakers: Sequence[str] = (),
        sequences: Sequences | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.input, self.targets, self.step, self.generator = input, targets, step, generator
        self.speakers, self.sequences, self.present = tuple(speakers), sequences, dict(present or {})


class Loss(NamedTuple):
    """What is minimised (a scalar), and its named terms for the log, weighted so that they add up to it."""

    total: Tensor
    terms: dict[str, Tensor]


class Objective(ABC):
    """A callable from models and a batch to a loss; holds its schedule, no weights and no state.

    `domain` says what its batches hold: `features` of segments of frames, or `waves`, remixed from the sources.
    An objective on waves is given a `EstimatesWaves` in place of the mapping of models. `trains` are the kinds of
    networks that it is for. `compares_inputs` marks one that compares outputs with inputs, which must be the same
    feature, and add up. `from_labels` marks one that learns from which sources a mixture has: its batches have no
    targets, and hold mixtures of each source by itself too, which are made for it.

    Args:
        config: its settings.
    """

    Config: ClassVar[type[Config]]
    domain: ClassVar[Literal["features", "waves"]] = "features"
    trains: ClassVar[tuple[type[Network], ...]] = (SourceNetwork,)
    compares_inputs: ClassVar[bool] = False
    from_labels: ClassVar[bool] = False
    config: Any

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    def stops_gradients(self) -> bool:
        """Whether some weights are kept from learning from some terms, as in a game."""
        return False

    @property
    def any_order(self) -> bool:
        """Whether sources may be exchanged, so that those of one kind can be learnt."""
        return False

    @abstractmethod
    def __call__(self, models: Any, batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch."""


class WaveEstimate(NamedTuple):
    """Estimated waves of each source (batch, time), and the reconstructions behind them (none for wave networks)."""

    waves: dict[str, Tensor]
    reconstructions: dict[str, Reconstruction]


class EstimatesWaves(Protocol):
    """What an objective on waves trains: the whole way from mixtures to the waves of the sources."""

    def estimate(self, mixture: Tensor, sample: Sampler) -> WaveEstimate:
        """Map mixtures (batch, time) to the estimates of all sources."""
        ...


class ObjectiveChoice(Choice):
    """An objective of `OBJECTIVES` with its settings: `{kind: elbo, settings: {beta: 4}}`."""

    table: ClassVar[Table] = OBJECTIVES
    kind: str = "elbo"

    def build(self) -> Objective:
        """Return the objective."""
        objective: Objective = self.entry(self.config())
        return objective

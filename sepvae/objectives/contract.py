"""What every objective offers, and the closed table of the objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, cast

import torch
from pydantic import Field, field_validator
from torch import Tensor

from sepvae.config import Config, parse_config
from sepvae.models.contract import Reconstruction, Sampler, SourceModel
from sepvae.tables import resolve

# The step that validation passes: the objective as it is when every schedule has ended.
END_OF_SCHEDULE = 1 << 60

# The only registry of objectives: name -> "module:Class".
OBJECTIVES: dict[str, str] = {
    "elbo": "sepvae.objectives.elbo:Elbo",
    "adversarial": "sepvae.objectives.adversarial:Adversarial",
    "itl": "sepvae.objectives.itl:Itl",
    "weak_class": "sepvae.objectives.weak_class:WeakClass",
    "conditional_elbo": "sepvae.objectives.conditional_elbo:ConditionalElbo",
    "hierarchical_elbo": "sepvae.objectives.hierarchical_elbo:HierarchicalElbo",
    "wave_sdr": "sepvae.objectives.wave_sdr:WaveSdr",
}


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
    """

    __slots__ = ("generator", "input", "sequences", "speakers", "step", "targets")

    def __init__(
        self,
        input: Tensor,  # noqa: A002
        targets: Mapping[str, Tensor],
        step: int,
        generator: torch.Generator,
        speakers: Sequence[str] = (),
        sequences: Sequences | None = None,
    ) -> None:
        self.input, self.targets, self.step, self.generator = input, targets, step, generator
        self.speakers, self.sequences = tuple(speakers), sequences


class Loss(NamedTuple):
    """What is minimised (a scalar), and its named terms for the log, weighted so that they add up to it."""

    total: Tensor
    terms: dict[str, Tensor]


class Objective(Protocol):
    """A callable from models and a batch to a loss; holds its schedule, no weights and no state.

    `domain` says what its batches hold: `features` of segments of frames, or `waves`, remixed from the sources.
    An objective on waves is given a `WaveEstimator` in place of the mapping of models.
    """

    Config: ClassVar[type[Config]]
    domain: ClassVar[Literal["features", "waves"]]

    def __init__(self, config: Any) -> None: ...

    def __call__(self, models: Mapping[str, SourceModel], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch."""
        ...


class WaveEstimate(NamedTuple):
    """Estimated waves of each source (batch, time), and the reconstructions behind them (none for wave networks)."""

    waves: dict[str, Tensor]
    reconstructions: dict[str, Reconstruction]


class WaveEstimator(Protocol):
    """What an objective on waves trains: the whole way from mixtures to the waves of the sources."""

    def estimate(self, mixture: Tensor, sample: Sampler) -> WaveEstimate:
        """Map mixtures (batch, time) to the estimates of all sources."""
        ...


class ObjectiveChoice(Config):
    """An objective of `OBJECTIVES` with its settings: `{kind: elbo, settings: {beta: 4}}`."""

    kind: str = "elbo"
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the objective's own config and fill in its defaults."""
        return parse_objective_config(info.data.get("kind", "elbo"), settings).model_dump(mode="json")

    def config(self) -> Config:
        """Return the objective's own typed config."""
        return parse_objective_config(self.kind, self.settings)


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

"""What an inference of the speech offers to the fit, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor

from sepvae.config import Config
from sepvae.enhancement import INFERENCES
from sepvae.settings import Choice
from sepvae.tables import Table

# Maps states (samples, frames, dimensions) to −log of their density (samples, frames).
Energy = Callable[[Tensor], Tensor]


class SpeechInference(Protocol):
    """A way to find the state of the speech under an energy that changes as the noise is learnt.

    `samples_density` says that states are samples, so that the energy has to be of a density, and not of a most likely
    value. `moves_frames_alone` says that it needs a decoder that gives a frame whatever lies beside it. `acceptance`
    has the share of accepted moves of each call, empty where there is none. A page shows the `label`.
    """

    Config: ClassVar[type[Config]]
    label: ClassVar[str]
    samples_density: ClassVar[bool]
    moves_frames_alone: ClassVar[bool]
    acceptance: list[float]

    def __init__(self, config: Any, start: Tensor, *, generator: torch.Generator) -> None:
        """Begin at a state (1, frames, dimensions), with chance from a generator on the CPU."""

    def advance(self, energy: Energy) -> Tensor:
        """Go on under an energy, and return samples (samples, frames, dimensions)."""
        ...


class InferenceChoice(Choice):
    """An inference of `INFERENCES` with its settings: `{kind: mcem, settings: {burn_in: 20}}`."""

    table: ClassVar[Table] = INFERENCES
    kind: str = "map"

    def build(self, start: Tensor, *, generator: torch.Generator) -> SpeechInference:
        """Return the inference at a state (1, frames, dimensions) to start from."""
        return cast("SpeechInference", self.entry(self.config(), start, generator=generator))

"""What recipes of every kind share: where the speech comes from, and claims that the scores are tested for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from sepvae.config import Config
from sepvae.evaluation import known_measure
from sepvae.evaluation.hypotheses import Claim


class CorpusConfig(Config):
    """Where the speech comes from: `--data DIR` read as `kind` (recognised when null), or the demo corpus."""

    kind: str | None = None
    demo_speakers: int | None = Field(None, ge=4, description="synthesise a demo corpus when no --data is given")


class Hypothesis(Config):
    """A claim that the scores are to be tested for, such as one of the survey's.

    `system` against each of `others` by `measure`: `greater`, `less`, or `equal` up to `margin` on both sides.
    """

    claim: str
    system: str
    others: tuple[str, ...] = Field(min_length=1)
    measure: str = "sdr_bsseval_v3_512"
    direction: Literal["greater", "less", "equal"]
    margin: float = Field(0.5, gt=0)

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        return known_measure(measure)

    def to_claim(self) -> Claim:
        """Return what the evaluation tests."""
        return Claim(self.claim, self.system, self.others, self.measure, self.direction, self.margin)

"""Where the results of a part of a run of separation lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PartFolder:
    """The folder of a part, such as a split of the speakers."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The mixtures."""
        return self.path / "mixtures.jsonl"

    @property
    def scores(self) -> Path:
        """The scores of all runs of all systems."""
        return self.path / "scores.csv"

    @property
    def summary(self) -> Path:
        """Means, tests and claims, from the scores."""
        return self.path / "results.json"

    @property
    def references(self) -> Path:
        """The test mixtures and their true sources."""
        return self.estimates("reference")

    def system(self, run: str) -> Path:
        """What a run of a system learnt."""
        return self.path / "systems" / run

    def estimates(self, run: str) -> Path:
        """The waves that a run of a system made of the test mixtures."""
        return self.path / "audio" / run

    def diagnostics(self, run: str, mixture: str) -> Path:
        """What a run of a system found in a test mixture beside the waves."""
        return self.estimates(run) / mixture / "demixing.npz"

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
        """The scores of all systems."""
        return self.path / "scores.csv"

    @property
    def summary(self) -> Path:
        """Means, tests and claims, from the scores."""
        return self.path / "results.json"

    @property
    def references(self) -> Path:
        """The test mixtures and their true sources."""
        return self.estimates("reference")

    def system(self, name: str) -> Path:
        """What a system learnt."""
        return self.path / "systems" / name

    def estimates(self, name: str) -> Path:
        """The waves that a system made of the test mixtures."""
        return self.path / "audio" / name

    def diagnostics(self, system: str, mixture: str) -> Path:
        """What a system found in a test mixture beside the waves."""
        return self.estimates(system) / mixture / "demixing.npz"

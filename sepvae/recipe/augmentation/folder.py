"""Where the results of a fold of a run of augmentation lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FoldFolder:
    """The folder of a fold."""

    path: Path

    @property
    def name(self) -> str:
        """The fold in a word, such as `fold_1`."""
        return self.path.name

    @property
    def unlabelled(self) -> Path:
        """The speech that the model of speech learns from."""
        return self.path / "unlabelled"

    @property
    def model(self) -> Path:
        """The model of speech, with its nuisance basis."""
        return self.path / "model"

    @property
    def voice_check(self) -> Path:
        """Which voices and phones are recognised after replacement."""
        return self.path / "voice_check.json"

    @property
    def space(self) -> Path:
        """What the nuisance space is like."""
        return self.path / "space.json"

    def arm(self, name: str) -> Path:
        """The augmented versions of the training utterances."""
        return self.path / "arms" / name

    def condition(self, name: str) -> Path:
        """The test utterances in a condition."""
        return self.path / "test" / name

    def scores(self, arm: str) -> Path:
        """The scores of the recognisers of an arm."""
        return self.path / "scores" / f"{arm}.json"

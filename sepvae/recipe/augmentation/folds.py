"""Who is trained on and who tested, and which noises and rooms training and test have: nothing is in both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sepvae.corpora.records import Problem, Utterance
from sepvae.errors import InputError
from sepvae.mixing.noise import BackgroundConfig, list_backgrounds, list_noises
from sepvae.mixing.pools import sentence
from sepvae.recipe.augmentation.schema import AugmentationSettings, Folders
from sepvae.seeds import derive_seed
from sepvae.settings import merge

Use = Literal["train", "test"]
# Of each kind of synthetic noise so many recordings are shared out.
_SYNTHETIC = 6


@dataclass(frozen=True)
class Fold:
    """The utterances that are learnt from, and those of other speakers that are tested, of other sentences."""

    number: int
    train: tuple[Utterance, ...]
    test: tuple[Utterance, ...]


@dataclass
class SelectedUtterances:
    """Some utterances of a corpus, as a corpus."""

    root: Path
    selected: Sequence[Utterance]
    name: str = "selected"
    layout: str = "utterances that were selected"

    def __post_init__(self) -> None:
        self.problems: list[Problem] = []

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Return False: no folder looks like a selection."""
        del root
        return False

    def utterances(self) -> Iterator[Utterance]:
        """Yield the utterances sorted by id."""
        yield from sorted(self.selected, key=lambda one: one.id)


def split_into_folds(utterances: Sequence[Utterance], n_folds: int, *, seed: int) -> list[Fold]:
    """Split the speakers of a corpus, women and men in turn, into groups, and return a fold for each group.

    What the training speakers of a fold say, too, is not tested in it: sentences are as new as voices.

    Args:
        utterances: with alignments of their phones.
        n_folds: groups.
        seed: of the order of the speakers.

    Raises:
        InputError: utterances without phones, fewer speakers than folds, or nothing left to test.
    """
    if lacking := [one.id for one in utterances if not one.phones]:
        raise InputError(
            f"{lacking[0]} and {len(lacking) - 1} more have no phones: give a corpus with TIMIT's alignments"
        )
    sexes: dict[str, str] = {one.speaker: one.sex for one in utterances}
    order = sorted(sexes, key=lambda name: (sexes[name], derive_seed(seed, "fold", name)))
    if len(order) < n_folds:
        raise InputError(f"{len(order)} speakers cannot be split into {n_folds} folds: set folds lower")
    folds = []
    for number in range(n_folds):
        tested = set(order[number::n_folds])
        train = tuple(one for one in utterances if one.speaker not in tested)
        said = {sentence(one) for one in train}
        test = tuple(one for one in utterances if one.speaker in tested and sentence(one) not in said)
        if not test:
            raise InputError(f"fold {number + 1}: every sentence of its speakers is also said by the others: use fewer")
        folds.append(Fold(number + 1, train, test))
    return folds


def recordings(folders: Folders, use: Use) -> dict[str, dict[str, Any]]:
    """Return the settings of `noise` and `reverberation` that keep to the recordings for training or for the test.

    Raises:
        InputError: a folder without recordings, or with a single impulse response.
    """
    settings: dict[str, dict[str, Any]] = {
        "noise": {"folder": folders.noise},
        "reverberation": {"folder": folders.rooms},
    }
    if folders.noise is None:
        kinds = list_backgrounds(BackgroundConfig())
        kinds = {kind: own[:_SYNTHETIC] for kind, own in kinds.items()}
    else:
        kinds = list_noises(Path(folders.noise))
    # The only recording of a kind is the test's.
    settings["noise"]["only"] = [path for own in kinds.values() for path in _shared_out([r.path for r in own], use)]
    if not settings["noise"]["only"]:
        raise InputError(f"{folders.noise}: has one recording of each kind: give two or more of one kind")
    if folders.rooms is not None:
        responses = sorted(one.path for own in list_noises(Path(folders.rooms)).values() for one in own)
        if len(responses) < 2:
            raise InputError(f"{folders.rooms}: has one impulse response: give two, one to learn from and one to test")
        settings["reverberation"]["only"] = _every_second(responses, use)
    return settings


def _shared_out(paths: Sequence[str], use: Use) -> list[str]:
    """Return the recordings of one kind for a use.

    Files whose names differ by a number alone may be parts of one recording, and stay together where others are left.
    """
    parts = {path: re.sub(r"[-_ ]?\d+$", "", path.rpartition(".")[0]) or path for path in paths}
    if len(set(parts.values())) < 2:
        return _every_second(paths, use)
    wanted = set(_every_second(sorted(set(parts.values())), use))
    return sorted(path for path, name in parts.items() if name in wanted)


def _every_second(paths: Sequence[str], use: Use) -> list[str]:
    return sorted(paths)[0 if use == "test" else 1 :: 2]


def with_recordings(augmentation: AugmentationSettings, own: Mapping[str, Mapping[str, Any]]) -> AugmentationSettings:
    """Return an augmentation with its recordings, as of `recordings`, in the settings of the methods that it uses."""
    used = {name for method in augmentation.methods for name in method.split("+")}
    settings = merge({name: dict(value) for name, value in own.items() if name in used}, augmentation.settings)
    return augmentation.model_copy(update={"settings": settings})

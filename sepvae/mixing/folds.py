"""Folds of speakers: each is the test of models that have never heard it, so that everybody is tested once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product

from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.seeds import derive_seed


def check_folds(folds: Sequence[Collection[str]], utterances: Sequence[Utterance]) -> None:
    """Raise InputError when a speaker of a fold is not in the corpus, or nobody is left to train."""
    speakers = {u.speaker for u in utterances}
    for number, fold in enumerate(folds):
        if strangers := sorted(set(fold) - speakers):
            raise InputError(
                f"folds: fold {number} names {', '.join(strangers)}, of whom the corpus has no utterance that is long "
                f"enough: its speakers are {', '.join(sorted(speakers))}"
            )
        if not speakers - set(fold):
            raise InputError(f"folds: fold {number} has all speakers of the corpus: nobody is left to train")


def by_speaker(pool: Mapping[str, Sequence[Utterance]]) -> dict[str, list[Utterance]]:
    """Return the utterances of some classes by who says them, each once."""
    speakers: dict[str, dict[str, Utterance]] = {}
    for own in pool.values():
        for utterance in own:
            speakers.setdefault(utterance.speaker, {})[utterance.id] = utterance
    return {name: list(own.values()) for name, own in speakers.items()}


def list_companies(
    pool: Mapping[str, Sequence[Utterance]], classes: Sequence[str], *, seed: int
) -> list[tuple[str, ...]]:
    """Return all companies of different speakers that can be heard together, one of each class, in a seeded order.

    A company that differs from another in nothing but who has which place is that one.

    Raises:
        InputError: there is none.

    Example:
        >>> def says(name, sex): return [Utterance(name, f"{name}.wav", name, sex, None, 16000, 9)]
        >>> pool = {"female": says("ann", "female") + says("eve", "female"), "male": says("bob", "male")}
        >>> sorted(list_companies(pool, ["female", "male"], seed=0))
        [('ann', 'bob'), ('eve', 'bob')]
    """
    members = [sorted({u.speaker for u in pool[label]}) for label in classes]
    found = {tuple(sorted(company)): company for company in product(*members) if len(set(company)) == len(company)}
    if not found:
        raise InputError(f"folds: no {' + '.join(classes)} in a fold of {', '.join(sorted(by_speaker(pool)))}")
    return sorted(found.values(), key=lambda company: derive_seed(seed, "company", *company))

"""Pairs of speakers: every sentence of both trains but a few, which are the test (Subakan & Smaragdis 2018).

There a pair is drawn from one dialect, each speaker has ten sentences, and the two closest in length are the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil, sqrt

from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.mixing.pools import Pools, class_members, sentence
from sepvae.seeds import derive_seed

# With fewer sentences left (damaged files), what a model of a speaker learns is not comparable with the others.
MIN_SENTENCES = 6


def _by_speaker(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    speakers: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        speakers.setdefault(utterance.speaker, []).append(utterance)
    return speakers


def list_pairs(utterances: Sequence[Utterance], classes: Sequence[str], *, seed: int) -> list[tuple[str, str]]:
    """Return all pairs of different speakers of two classes in a seeded order, those of one dialect first.

    Speakers with fewer than six sentences are passed over.

    Raises:
        InputError: a class has no utterance.
    """
    enough = [
        {name: own for name, own in _by_speaker(class_members(utterances, label)).items() if len(own) >= MIN_SENTENCES}
        for label in classes
    ]
    dialects = {u.speaker: u.dialect for u in utterances}

    def order(pair: tuple[str, str]) -> tuple[bool, int]:
        first, second = (dialects[name] for name in pair)
        return first is None or first != second, derive_seed(seed, "pair", *pair)

    found = [(one, two) for one, two in product(*(sorted(own) for own in enough)) if one != two]
    return sorted({tuple(sorted(pair)): pair for pair in found}.values(), key=order)


def choose_pairs(
    utterances: Sequence[Utterance], classes: Sequence[str], wanted: int | Sequence[tuple[str, str]], *, seed: int
) -> list[tuple[str, str]]:
    """Return the pairs of speakers that are asked for by name, or the first of `list_pairs`.

    Raises:
        InputError: there are not so many pairs, or a speaker is not of the class of its place.
    """
    if isinstance(wanted, int):
        pairs = list_pairs(utterances, classes, seed=seed)
        if wanted > len(pairs):
            raise InputError(
                f"pairs = {wanted}: there are {len(pairs)} pairs of {' + '.join(classes)} whose speakers have at least "
                f"{MIN_SENTENCES} whole sentences: ask for fewer, or for speakers by name"
            )
        return pairs[:wanted]
    for pair in wanted:
        for name, label in zip(pair, classes, strict=True):
            if name not in {u.speaker for u in class_members(utterances, label)}:
                raise InputError(f"pair {' + '.join(pair)}: no speaker {name!r} of the class {label!r}: see sources")
    return list(wanted)


def _closest(one: Sequence[Utterance], two: Sequence[Utterance]) -> tuple[Utterance, Utterance]:
    """Return the two utterances closest in length, of sentences that only one of the speakers says where there are."""
    both = {sentence(u) for u in one} & {sentence(u) for u in two}

    def order(pair: tuple[Utterance, Utterance]) -> tuple[int, float, str, str]:
        shared = sum(sentence(u) in both for u in pair)
        return shared, abs(pair[0].duration_s - pair[1].duration_s), pair[0].id, pair[1].id

    return min(((a, b) for a, b in product(one, two) if sentence(a) != sentence(b)), key=order)


def pair_pools(utterances: Sequence[Utterance], pair: tuple[str, str], *, n_valid: int, n_test: int = 1) -> Pools:
    """Share the sentences of two speakers out: those closest in length test, with `n_valid` the next two validate.

    No sentence of the test, by its prompt or text, is trained or validated on.

    Args:
        utterances: long enough to be mixed.
        pair: ids of the speakers, which are the classes of the pools.
        n_valid: mixtures to validate on; one pair of sentences serves for all of them.
        n_test: mixtures to test on; as many sentences of each are held out as give them, each with each.

    Raises:
        InputError: a speaker has too few sentences.
    """
    rest = {name: [u for u in utterances if u.speaker == name] for name in pair}
    n_held = ceil(sqrt(max(n_test, 1)))
    needed = n_held + (2 if n_valid else 1)
    held: list[dict[str, list[Utterance]]] = []

    def refuse_fewer(n_sentences: int) -> None:
        if min(len({sentence(u) for u in own}) for own in rest.values()) < n_sentences:
            counts = ", ".join(f"{name} {sum(u.speaker == name for u in utterances)}" for name in pair)
            raise InputError(
                f"pair {' + '.join(pair)}: a speaker needs at least {needed} different sentences, which the other one "
                f"does not say ({counts} whole utterances that are long enough): choose other speakers"
            )

    for _ in range(needed - 1):
        refuse_fewer(2)
        chosen = _closest(*rest.values())
        held.append({u.speaker: [u] for u in chosen})
        said = {sentence(u) for u in chosen}
        rest = {name: [u for u in own if sentence(u) not in said] for name, own in rest.items()}
    # Of sentences that both say none may be left.
    refuse_fewer(1)
    valid = held[n_held] if n_valid else {name: [] for name in pair}
    test = {name: [own for chosen in held[:n_held] for own in chosen[name]] for name in pair}
    return Pools(rest, valid, test)

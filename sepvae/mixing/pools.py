"""Who may speak in training, validation and test: no sentence of a test mixture, by prompt or text, is trained on."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sepvae.corpora.records import Utterance, plain_words
from sepvae.errors import InputError
from sepvae.mixing.config import Split
from sepvae.seeds import derive_seed

# Of the speakers of a class one in four is held out, of its utterances at most one in five for each held-out split.
_OPEN_SPEAKERS = 4
_HELD_OUT_UTTERANCES = 5
_SEXES, _EVERYBODY = ("female", "male"), ("any", "speech")


@dataclass(frozen=True)
class Pools:
    """The utterances each split may draw from, by class."""

    train: dict[str, list[Utterance]]
    valid: dict[str, list[Utterance]]
    test: dict[str, list[Utterance]]


def sentence(utterance: Utterance) -> str:
    """Return what makes two utterances the same sentence: the prompt, else the words, else the utterance itself.

    Example:
        >>> a = Utterance("x", "x.wav", "s", "female", None, 16000, 9, text="She  had your dark suit.")
        >>> sentence(a)
        'she had your dark suit'
    """
    if utterance.prompt is not None:
        return f"prompt {utterance.prompt}"
    return f"utterance {utterance.id}" if utterance.text is None else plain_words(utterance.text)


def class_members(utterances: Sequence[Utterance], label: str) -> list[Utterance]:
    """Return the utterances of a class: `female`, `male`, `any` (or `speech`, the same), or a speaker's id.

    Raises:
        InputError: there are none.
    """
    if label in _SEXES:
        found = [u for u in utterances if u.sex == label]
    else:
        found = [u for u in utterances if label in (*_EVERYBODY, u.speaker)]
    if not found:
        speakers = sorted({u.speaker for u in utterances})
        # Nobody who asked for women, where there are none, meant men.
        names = [] if label in (*_SEXES, *_EVERYBODY) else [*_SEXES, *_EVERYBODY, *speakers]
        close = [name for name in names if name.casefold() == label.casefold()]
        close = close or difflib.get_close_matches(label, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"no utterance of the class {label!r} that is long enough (of {len(utterances)} by {len(speakers)} "
            f"speakers): {hint}classes are female, male, any, speech, background, or a speaker such as "
            f"{speakers[0] if speakers else 'p225'!r}; sexes of a plain folder come from its speakers.csv"
        )
    return found


def _shuffled(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """Order utterances so that speakers take turns; each one's place depends on its own name, not on the others."""
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda u: derive_seed(seed, "held out", u.id)):
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    rounds = max((len(own) for own in by_speaker.values()), default=0)
    speakers = sorted(by_speaker, key=lambda name: derive_seed(seed, "speaker", name))
    return [by_speaker[name][turn] for turn in range(rounds) for name in speakers if turn < len(by_speaker[name])]


def _hold_out(
    members: dict[str, list[Utterance]],
    candidates: dict[str, list[Utterance]],
    *,
    n_mixtures: int,
    sources: dict[str, int],
    seed: int,
) -> tuple[dict[str, list[Utterance]], set[str]]:
    """Hold out utterances of each class for some mixtures, with sentences few others say: return both."""
    speakers_of: dict[str, set[str]] = {}
    for utterance in {u.id: u for own in members.values() for u in own}.values():
        speakers_of.setdefault(sentence(utterance), set()).add(utterance.speaker)
    held: dict[str, list[Utterance]] = {}
    for label, own in candidates.items():
        # TIMIT's SA sentences are said by everyone: holding one out would cost every speaker an utterance.
        order = sorted(_shuffled(own, seed), key=lambda u: len(speakers_of[sentence(u)]))
        limit = min(n_mixtures * sources[label], max(sources[label], len(members[label]) // _HELD_OUT_UTTERANCES))
        held[label] = order[:limit]
    return held, {sentence(u) for own in held.values() for u in own}


def _without(members: dict[str, list[Utterance]], sentences: set[str]) -> dict[str, list[Utterance]]:
    return {label: [u for u in own if sentence(u) not in sentences] for label, own in members.items()}


def _open_speakers(members: dict[str, list[Utterance]], seed: int) -> set[str]:
    """Return the speakers that are kept for the test: the corpus's own where it has them, one in four otherwise."""
    everyone = {u.speaker: u.split for own in members.values() for u in own}
    theirs = {name for name, split in everyone.items() if split == "test"}
    has_both = all({u.split for u in own} >= {"train", "test"} for own in members.values())
    if has_both:
        return theirs
    chosen: set[str] = set()
    for label, own in members.items():
        names = sorted({u.speaker for u in own}, key=lambda name: derive_seed(seed, "open speaker", name))
        if len(names) < 2:
            raise InputError(
                f"speaker-open test: the class {label!r} has {len(names)} speaker, needs at least 2, one to train and "
                "one to test: add speakers, or use the split speaker_seen"
            )
        # Counting those already chosen lets classes overlap, as `any` and `any` do.
        wanted = -(-len(names) // _OPEN_SPEAKERS) - len(chosen & set(names))
        chosen |= set([name for name in names if name not in chosen][: max(wanted, 0)])
    return chosen


def make_pools(
    utterances: Sequence[Utterance],
    labels: Sequence[str],
    *,
    split: Split,
    n_valid: int,
    n_test: int,
    seed: int,
    never_heard: Collection[str] | None = None,
) -> Pools:
    """Share the utterances out between training, validation and test.

    Args:
        utterances: long enough to be mixed.
        labels: classes of the sources.
        split: `speaker_seen`, test speakers also train, other sentences; `speaker_open`, test speakers never train.
        n_valid: mixtures to validate on.
        n_test: mixtures to test on.
        seed: of the choice; it does not depend on how many mixtures are drawn for training.
        never_heard: who is kept for a test of `speaker_open`; the corpus's own test speakers or a drawn quarter when
            None.

    Raises:
        InputError: a class has no utterance, or too few to hold some out.
    """
    sources = {label: labels.count(label) for label in labels}
    members = {label: class_members(utterances, label) for label in sources}
    if split == "speaker_open":
        names = _open_speakers(members, seed) if never_heard is None else set(never_heard)
        unseen = {label: [u for u in own if u.speaker in names] for label, own in members.items()}
        members = {label: [u for u in own if u.speaker not in names] for label, own in members.items()}
        said = {sentence(u) for own in members.values() for u in own}
        own_sentences = _without(unseen, said)
        # In a parallel corpus everyone says everything: then sentences are taken from training instead.
        candidates = own_sentences if all(own_sentences.values()) else unseen
        test, sentences = _hold_out(unseen, candidates, n_mixtures=max(n_test, 1), sources=sources, seed=seed)
        if candidates is own_sentences:
            test, sentences = own_sentences, {sentence(u) for own in own_sentences.values() for u in own}
    else:
        test, sentences = _hold_out(members, members, n_mixtures=max(n_test, 1), sources=sources, seed=seed)
    rest = _without(members, sentences)
    valid: dict[str, list[Utterance]] = {label: [] for label in members}
    if n_valid and all(rest.values()):
        valid, sentences = _hold_out(rest, rest, n_mixtures=n_valid, sources=sources, seed=seed)
        rest = _without(rest, sentences)
    for label, own in rest.items():
        if not own:
            raise InputError(
                f"{split}: no utterance of the class {label!r} is left to train on once sentences are held out for "
                f"validation and test ({len(members[label])} in all): add recordings of more sentences"
            )
    return Pools(rest, valid, test)

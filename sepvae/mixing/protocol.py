"""From utterances to a manifest of mixtures: who takes part, what each split may use, and what is drawn of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from sepvae.corpora.damaged_files import unusable_files, warn_of_left_out
from sepvae.corpora.records import Problem, Utterance
from sepvae.errors import InputError
from sepvae.mixing.config import BACKGROUND, MixingConfig
from sepvae.mixing.folds import by_speaker, check_folds, list_companies
from sepvae.mixing.manifest import Header, Manifest, Mixture
from sepvae.mixing.mixer import Mixer, UnusableUtteranceError
from sepvae.mixing.noise import (
    BackgroundConfig,
    Noises,
    Recording,
    UnusableRecordingError,
    list_backgrounds,
    list_noises,
    without,
)
from sepvae.mixing.pairs import choose_pairs, pair_pools
from sepvae.mixing.places import Rooms
from sepvae.mixing.pools import Pools, make_pools
from sepvae.progress import progress
from sepvae.seeds import derive_seed

_LOGGER = logging.getLogger(__name__)


def _chosen_speakers(utterances: Sequence[Utterance], config: MixingConfig, seed: int) -> list[Utterance]:
    """Return the utterances of the dialects and speakers asked for; a number of speakers is drawn, sexes in turn.

    Raises:
        InputError: there are none of them, or fewer.
    """
    found, dialects = list(utterances), config.dialects
    if dialects:
        counts = Counter(u.dialect for u in utterances if u.dialect is not None)
        # Of those with as many utterances the first by name.
        most = sorted(counts, key=lambda name: (-counts[name], name))
        every = dialects == "each"
        wanted = most if every else most[:dialects] if isinstance(dialects, int) else dialects
        found = [u for u in utterances if u.dialect in wanted]
        if not found or (isinstance(dialects, int) and dialects > len(most)):
            raise InputError(
                f"dialects = {', '.join(dialects) if isinstance(dialects, tuple) else dialects}: this corpus has "
                f"{', '.join(sorted(most)) or 'none (TIMIT has): choose a number of speakers instead'}"
            )
    return found if config.speakers is None else _among_speakers(found, config.speakers, seed)


def _among_speakers(utterances: Sequence[Utterance], wanted: int | Sequence[str], seed: int) -> list[Utterance]:
    sexes: dict[str, list[str]] = {}
    for name, sex in sorted({(u.speaker, u.sex) for u in utterances}, key=lambda s: derive_seed(seed, "speaker", s[0])):
        sexes.setdefault(sex, []).append(name)
    if isinstance(wanted, int):
        places = {name: (place, sex) for sex, own in sexes.items() for place, name in enumerate(own)}
        names = sorted(places, key=lambda name: places[name])[:wanted]
        missing = wanted - len(names)
    else:
        names = list(wanted)
        missing = len(set(names) - {u.speaker for u in utterances})
    if missing:
        raise InputError(f"speakers = {wanted}: {missing} of them are not in this corpus (or its dialects)")
    return [u for u in utterances if u.speaker in names]


def indistinct_sources(mixtures: Sequence[Mixture]) -> list[tuple[str, str]]:
    """Return the pairs of sources that share speakers: nothing tells a model which of the two it is to learn."""
    speakers: dict[tuple[str | None, str], set[str]] = {}
    for mixture in mixtures:
        for source in (source for source in mixture.sources if source.speaker):
            speakers.setdefault((mixture.group, source.name), set()).add(source.speaker)
    pairs = ((one, two) for one, two in combinations(speakers, 2) if one[0] == two[0])
    return list(dict.fromkeys((one[1], two[1]) for one, two in pairs if speakers[one] & speakers[two]))


def describe_indistinct(pairs: Sequence[tuple[str, str]]) -> str:
    """Return what follows from sources that share speakers, as one sentence."""
    names = " and ".join(dict.fromkeys(name for pair in pairs for name in pair))
    return (
        f"{names} share speakers: a model per source learns the same voices for each, and cannot tell them apart; use "
        "classes such as female and male, or speakers by name, or an objective that takes sources in any order (preset "
        "any_talkers)"
    )


def make_mixtures(utterances: Sequence[Utterance], config: MixingConfig, *, root: str | Path, seed: int) -> Manifest:
    """Draw training, validation and test mixtures.

    Utterances whose files cannot be used are left out, with warnings and a note in the header; of one with a long pause
    another stretch is drawn.

    Args:
        utterances: of the corpus.
        config: what to mix.
        root: folder of the corpus; the files are read for their levels.
        seed: of every choice. More training mixtures keep the earlier ones, and change no test mixture.

    Raises:
        InputError: too few speakers, sentences or long enough utterances.
    """
    root, ordered = Path(root), sorted(utterances, key=lambda u: u.id)
    left_out = unusable_files(ordered, root) if config.skip_damaged else {}
    unheard = dict[str, str]()
    while True:
        try:
            return _draw(ordered, config, root, seed, left_out, unheard)
        except UnusableRecordingError as error:
            # What a list names is part of a protocol, and what is synthesised cannot be left out.
            if error.recording.folder is None or _is_listed(error.recording, config):
                raise
            unheard[error.recording.path] = str(error)
            _LOGGER.warning("%s: left out", error)
        except UnusableUtteranceError as error:
            # Where no file was looked at before, there may be more of them: all are found at once.
            if not config.skip_damaged and not left_out:
                found = unusable_files(ordered, root)
                left_out = {name: one for name, one in found.items() if one.code != "shifted_bytes"}
            if error.utterance.id not in left_out:
                left_out[error.utterance.id] = Problem("silent", error.utterance.path, str(error))
                warn_of_left_out([left_out[error.utterance.id]], n_all=len(ordered))


def _draw(
    ordered: Sequence[Utterance],
    config: MixingConfig,
    root: Path,
    seed: int,
    left_out: Mapping[str, Problem],
    unheard: Mapping[str, str],
) -> Manifest:
    """Draw the mixtures from the utterances, sorted by id, and the recordings of noise that are not left out.

    Raises:
        UnusableUtteranceError: one more has to be left out.
        UnusableRecordingError: one more has to be left out.
        InputError: as `make_mixtures`.
    """
    usable = [u for u in ordered if u.id not in left_out]
    if ordered and not usable:
        first = next(iter(left_out.values())).message
        raise InputError(f"{root}: none of {len(ordered)} utterances can be mixed, the first: {first}")
    whole = _chosen_speakers(usable, config, seed)
    long_enough = [u for u in whole if u.duration_s >= config.duration_s[0]]
    shares, notes = _share_out(long_enough, config, seed)
    # Whether there are enough combinations is known before the first file is read.
    drawn = [
        (mixer, split, index, combination)
        for mixer, share in _mixers(config, root, seed, shares, unheard)
        for split in ("train", "valid", "test")
        for index, combination in enumerate(_combinations(mixer, share, split, config))
    ]
    mixtures = list[Mixture]()
    with progress("mix", len(drawn), unit="mixtures") as bar:
        for mixer, split, index, combination in drawn:
            mixtures.append(mixer.mixture(split, index, combination))
            bar.advance(1)
    notes += [f"{len(whole) - len(long_enough)} utterances shorter than {config.duration_s[0]:g} s were left out"]
    if mixtures and config.room is not None and config.room.kind == "simulated":
        from importlib import metadata

        notes.append(f"the rooms were simulated by pyroomacoustics {metadata.version('pyroomacoustics')}")
    notes += _left_out_notes(left_out, len(ordered))
    notes += [f"{path} was left out of the noise: {why}" for path, why in unheard.items()]
    if any(u.text is None and u.prompt is None for u in long_enough):
        notes.append("some utterances have no text: sentences are told apart by utterance")
    # In a room the microphones tell them apart.
    alike = [] if config.room else indistinct_sources([mixture for mixture in mixtures if mixture.split == "train"])
    if alike:
        notes.append(describe_indistinct(alike))
        _LOGGER.warning("%s", notes[-1])
    return Manifest(Header(config=config.model_dump(mode="json"), seed=seed, notes=tuple(notes)), tuple(mixtures))


def _is_listed(recording: Recording, config: MixingConfig) -> bool:
    """Whether the lists of the recordings name one."""
    lists = config.background.recordings
    return lists is not None and recording.path in {*lists.train, *lists.valid, *lists.test}


def _left_out_notes(left_out: Mapping[str, Problem], n_all: int) -> Iterator[str]:
    """Yield for each reason the utterances that were left out for it."""
    reasons = {
        "shifted_bytes": "are damaged, noise from where a byte was lost on",
        "silent": "are silent",
        "channels": "have several channels",
        "broken": "cannot be read",
    }
    for code, reason in reasons.items():
        if names := sorted(name for name, problem in left_out.items() if problem.code == code):
            yield f"{len(names)} of {n_all} utterances were left out because their files {reason}: {', '.join(names)}"


class _Share(NamedTuple):
    """What a group may use: its classes, utterances and number of test mixtures; and companies of the test."""

    group: str | None
    classes: tuple[str, ...]
    pools: Pools
    n_test: int
    companies: list[tuple[str, ...]] | None = None


def _combinations(mixer: Mixer, share: _Share, split: str, config: MixingConfig) -> list[list[Utterance]]:
    """Return the utterances of the mixtures of a split of a group."""
    pool = getattr(share.pools, split)
    if split == "test" and share.companies is not None:
        return mixer.combinations(split, share.n_test, by_speaker(pool), share.companies)
    counts = {"train": config.n_train, "valid": config.n_valid, "test": share.n_test}
    return mixer.combinations(split, counts[split], pool)


def _share_out(utterances: Sequence[Utterance], config: MixingConfig, seed: int) -> tuple[list[_Share], list[str]]:
    """Return what each group may use, of which there is one, or one for each pair, fold or dialect; and notes on it."""
    classes = tuple(label for label in config.sources if label != BACKGROUND)
    if config.folds is not None and config.split == "speaker_open":
        return _fold_shares(utterances, config, classes, seed), []
    if config.dialects == "each":
        return _dialect_shares(utterances, config, classes, seed), []
    if config.pairs is None:
        n_valid, n_test = config.n_valid, config.n_test
        pools = make_pools(utterances, classes, split=config.split, n_valid=n_valid, n_test=n_test, seed=seed)
        return [_Share(None, classes, pools, n_test)], []
    if config.split != "speaker_seen":
        raise InputError("pairs: both speakers also train, which is the split speaker_seen: leave the other out")
    pairs = choose_pairs(utterances, classes, config.pairs, seed=seed)
    shares = [
        _Share(
            f"pair-{number:02}",
            pair,
            pair_pools(utterances, pair, n_valid=config.n_valid, n_test=config.n_test),
            config.n_test,
        )
        for number, pair in enumerate(pairs)
    ]
    counted = (" + ".join(f"{name} ({len(own)})" for name, own in share.pools.train.items()) for share in shares)
    note = "pairs, with the number of sentences that train; those closest in length are the test: "
    return shares, [note + ", ".join(counted)]


def _fold_shares(
    utterances: Sequence[Utterance], config: MixingConfig, classes: tuple[str, ...], seed: int
) -> list[_Share]:
    """Return what each fold may use."""
    folds = config.folds or ()
    check_folds(folds, utterances)
    shares = []
    for number, (fold, n_test) in enumerate(zip(folds, _divided(config.n_test, len(folds)), strict=True)):
        pools = make_pools(
            utterances,
            classes,
            split=config.split,
            n_valid=config.n_valid,
            n_test=n_test,
            seed=seed,
            never_heard=fold,
        )
        companies = list_companies(pools.test, classes, seed=seed)
        shares.append(_Share(f"fold-{number}", classes, pools, n_test, companies))
    return shares


def _dialect_shares(
    utterances: Sequence[Utterance], config: MixingConfig, classes: tuple[str, ...], seed: int
) -> list[_Share]:
    """Return what each dialect may use."""
    dialects = sorted({u.dialect for u in utterances if u.dialect is not None})
    shares = []
    for number, (dialect, n_test) in enumerate(zip(dialects, _divided(config.n_test, len(dialects)), strict=True)):
        own, n_valid = [u for u in utterances if u.dialect == dialect], config.n_valid
        pools = make_pools(own, classes, split=config.split, n_valid=n_valid, n_test=n_test, seed=seed)
        shares.append(_Share(f"dialect-{number}", classes, pools, n_test))
    return shares


def _divided(count: int, parts: int) -> list[int]:
    """Return a count in parts; the first ones have one more where it does not divide."""
    return [(count + parts - 1 - number) // parts for number in range(parts)]


def _noise_kinds(config: MixingConfig) -> dict[str, list[Recording]]:
    """Return what noise under the mixtures is drawn from: recordings by kind, and synthetic ones."""
    kinds = {} if config.noise_folder is None else list_noises(Path(config.noise_folder))
    if config.noise_kinds:
        # Kinds of their own, as there are many more of them than recordings.
        own = list_backgrounds(BackgroundConfig(kinds=config.noise_kinds))
        kinds |= {f"synthetic {kind}": recordings for kind, recordings in own.items()}
    return kinds


def _mixers(
    config: MixingConfig, root: Path, seed: int, shares: Sequence[_Share], unheard: Mapping[str, str]
) -> Iterator[tuple[Mixer, _Share]]:
    """Yield a mixer for each share, and the share; recordings of noise that cannot be used are left out."""
    backgrounds = noises = None
    if BACKGROUND in config.sources:
        own, rate = config.background, config.sample_rate
        kinds, lists = without(list_backgrounds(own), unheard), own.recordings
        backgrounds = Noises(kinds, together=own.together, sample_rate=rate, seed=seed, lists=lists)
    if config.noisy:
        kinds, rate = without(_noise_kinds(config), unheard), config.sample_rate
        noises = Noises(kinds, together=False, sample_rate=rate, seed=seed, shared=config.noise_shared)
    rooms = None if config.room is None else Rooms(config.room)
    for share in shares:
        mixer = Mixer(
            config,
            root,
            seed,
            classes=share.classes,
            backgrounds=backgrounds,
            noises=noises,
            rooms=rooms,
            group=share.group,
        )
        yield mixer, share

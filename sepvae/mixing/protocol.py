"""How mixtures are drawn from a corpus; the defaults are the survey's protocol (Singh & Ogunfunmi 2022, §8)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sepvae import audio
from sepvae.config import Config
from sepvae.corpora.damage import examine
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Header, Manifest, Mixture
from sepvae.mixing.mixer import BACKGROUND, Mixer
from sepvae.mixing.noise import BackgroundConfig, Noises, list_backgrounds, list_noises
from sepvae.mixing.pairs import choose_pairs, pair_pools
from sepvae.mixing.places import Rooms
from sepvae.mixing.pools import Pools, make_pools
from sepvae.mixing.scene import RoomConfig
from sepvae.progress import progress
from sepvae.seeds import derive_seed

_LOGGER = logging.getLogger(__name__)

Range = tuple[float, float]
# YAML reads the dialect 1 and the speaker 19 as numbers.
Name = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class MixingConfig(Config):
    """What to mix, and how.

    `sources` names the class of each source: `female`, `male`, `any` or `speech` (anyone), a speaker's id, or
    `background`; repeated classes are numbered (`any_1`, `any_2`). Only the speakers of `dialects` (names, or a number:
    so many, those with most utterances) and among `speakers` (names, or a number: so many, drawn) take part. `n_valid`
    is an upper bound, and small: what is validated on cannot be learnt from; so is `n_train` of a single source.
    `length` is `min`, all sources are heard all the time, or `max`, shorter ones are padded. `snr_db` is the range of
    the level of the first source over each other one, `noise_snr_db` of all sources over the noise. `skip_damaged`
    leaves out files that a lost byte has turned into noise (`sepvae corpus validate` names them); it reads every file
    once. `background` says what that source is drawn from; `noise_folder` lays noise under the mixtures that is no
    source. With `room` they are heard in rooms by several microphones; levels and level ratios are then those of the
    images at the first one.

    `pairs`, a number or a list of pairs of speakers, is another protocol: each pair is a group with models of its own,
    all sentences of the two train but those closest in length, which are its one test mixture (Subakan & Smaragdis
    2018). `n_train` and `n_valid` are then for each pair.
    """

    split: Literal["speaker_seen", "speaker_open"] = "speaker_seen"
    sources: tuple[str, ...] = Field(("female", "male"), min_length=1)
    dialects: Annotated[int, Field(ge=1)] | tuple[Name, ...] = ()
    speakers: Annotated[int, Field(ge=1)] | tuple[Name, ...] | None = None
    pairs: Annotated[int, Field(ge=1)] | tuple[tuple[Name, Name], ...] | None = None
    background: BackgroundConfig = BackgroundConfig()
    n_train: Count = 80
    n_valid: Count = 3
    n_test: Count = 10
    sample_rate: int = Field(16000, ge=1000, le=384000)
    duration_s: Range = (2.0, 4.0)
    length: Literal["min", "max"] = "min"
    snr_db: Range = (0.0, 0.0)
    skip_damaged: bool = True
    level_rms: float = Field(0.05, gt=0, lt=1)
    noise_folder: str | None = None
    noise_snr_db: Range = (0.0, 20.0)
    room: RoomConfig | None = None

    @field_validator("duration_s", "snr_db", "noise_snr_db")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        if value[0] > value[1]:
            raise ConfigError(f"the range {value[0]:g} to {value[1]:g} is upside down: give the smaller number first")
        return value

    @field_validator("duration_s")
    @classmethod
    def _positive(cls, value: Range) -> Range:
        if value[0] <= 0:
            raise ConfigError("durations must be positive")
        return value

    @field_validator("sources")
    @classmethod
    def _someone_speaks(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        if sources.count(BACKGROUND) > 1 or set(sources) == {BACKGROUND}:
            raise ConfigError(f"needs someone who speaks, and at most one {BACKGROUND}: such as [speech, background]")
        return sources

    @model_validator(mode="after")
    def _of_two(self) -> MixingConfig:
        if self.pairs is not None and (len(self.sources) != 2 or BACKGROUND in self.sources):
            raise ConfigError(f"pairs: needs two sources that speak, sources = {', '.join(self.sources)}")
        return self

    @model_validator(mode="after")
    def _fits_the_room(self) -> MixingConfig:
        if self.room is None:
            return self
        if self.noise_folder is not None:
            raise ConfigError(
                f"noise_folder = {self.noise_folder}: is noise at one microphone, and room has several: leave one of "
                "the two out; the source background is heard from a place in the room"
            )
        self.room.check_angles(len(self.sources))
        return self

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders beside the corpus that recordings are drawn from."""
        used = [self.background.folder if BACKGROUND in self.sources else None, self.noise_folder]
        used.append(None if self.room is None else self.room.folder)
        return tuple(Path(folder) for folder in used if folder is not None)


def shifted(path: Path, wave: audio.Wave | None = None) -> bool:
    """Say whether the samples of a file are shifted by a byte; InputError when it cannot be read.

    Args:
        path: of the file.
        wave: its samples (channels, time), where they have been read already.
    """
    if audio.inspect(path).subtype != "PCM_16":
        return False
    wave = audio.read(path).wave if wave is None else wave
    return wave.shape[0] == 1 and examine(wave[0]).shifted_from is not None


def list_damaged(utterances: Sequence[Utterance], root: Path) -> set[str]:
    """Return the ids of utterances whose samples are shifted by a byte."""
    damaged = set()
    with progress("check", len(utterances), unit="files") as bar:
        for utterance in utterances:
            if shifted(root / utterance.path):
                damaged.add(utterance.id)
            bar.advance(1)
    if damaged:
        text = "%d of %d files are damaged, noise from where a byte was lost on, and left out: 'sepvae corpus validate'"
        _LOGGER.warning(text, len(damaged), len(utterances))
    return damaged


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
        wanted = most[:dialects] if isinstance(dialects, int) else dialects
        found = [u for u in utterances if u.dialect in wanted]
        if not found or (isinstance(dialects, int) and dialects > len(most)):
            raise InputError(
                f"dialects = {dialects if isinstance(dialects, int) else ', '.join(dialects)}: this corpus has "
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
    heard: dict[tuple[str | None, str], set[str]] = {}
    for mixture in mixtures:
        for source in (source for source in mixture.sources if source.speaker):
            heard.setdefault((mixture.group, source.name), set()).add(source.speaker)
    alike = ((one[1], two[1]) for one, two in combinations(heard, 2) if one[0] == two[0] and heard[one] & heard[two])
    return list(dict.fromkeys(alike))


def describe_indistinct(pairs: Sequence[tuple[str, str]]) -> str:
    """Return what follows from sources that share speakers, as one sentence."""
    names = " and ".join(dict.fromkeys(name for pair in pairs for name in pair))
    return (
        f"{names} share speakers: a model per source learns the same voices for each, and cannot tell them apart; use "
        "classes such as female and male, or speakers by name, or an objective that allows any order of the sources"
    )


def make_mixtures(utterances: Sequence[Utterance], config: MixingConfig, *, root: str | Path, seed: int) -> Manifest:
    """Draw training, validation and test mixtures.

    Args:
        utterances: of the corpus.
        config: what to mix.
        root: folder of the corpus; the files are read for their levels.
        seed: of every choice. More training mixtures keep the earlier ones, and change no test mixture.

    Raises:
        InputError: too few speakers, sentences or long enough utterances; or a file cannot be used.
    """
    root, ordered = Path(root), sorted(utterances, key=lambda u: u.id)
    damaged = list_damaged(ordered, root) if config.skip_damaged else set()
    whole = _chosen_speakers([u for u in ordered if u.id not in damaged], config, seed)
    long_enough = [u for u in whole if u.duration_s >= config.duration_s[0]]
    shares, notes = _share_out(long_enough, config, seed)
    counts = {"train": config.n_train, "valid": config.n_valid, "test": config.n_test}
    if config.pairs is not None:
        counts["test"] = min(config.n_test, 1)
    # Whether there are enough combinations is known before the first file is read.
    hands = [
        (mixer, split, index, hand)
        for mixer, pools in _mixers(config, root, seed, shares)
        for split, count in counts.items()
        for index, hand in enumerate(mixer.deal(split, count, getattr(pools, split)))
    ]
    mixtures = list[Mixture]()
    with progress("mix", len(hands), unit="mixtures") as bar:
        for mixer, split, index, hand in hands:
            mixtures.append(mixer.mixture(split, index, hand))
            bar.advance(1)
    notes += [f"{len(whole) - len(long_enough)} utterances shorter than {config.duration_s[0]:g} s were left out"]
    if mixtures and config.room is not None and config.room.kind == "simulated":
        notes.append(f"the rooms were simulated by pyroomacoustics {metadata.version('pyroomacoustics')}")
    if damaged:
        notes.append(
            f"{len(damaged)} of {len(ordered)} utterances were left out because their files are damaged, noise from "
            f"where a byte was lost on: {', '.join(sorted(damaged))}"
        )
    if any(u.text is None and u.prompt is None for u in long_enough):
        notes.append("some utterances have no text: sentences are told apart by utterance")
    # In a room the microphones tell them apart.
    alike = [] if config.room else indistinct_sources([mixture for mixture in mixtures if mixture.split == "train"])
    if alike:
        notes.append(describe_indistinct(alike))
        _LOGGER.warning("%s", notes[-1])
    return Manifest(Header(config=config.model_dump(mode="json"), seed=seed, notes=tuple(notes)), tuple(mixtures))


def _share_out(
    utterances: Sequence[Utterance], config: MixingConfig, seed: int
) -> tuple[dict[tuple[str, ...], Pools], list[str]]:
    """Return what each split may use, by the classes that speak: one share, or one for each pair; and notes on it."""
    classes = tuple(label for label in config.sources if label != BACKGROUND)
    if config.pairs is None:
        counts = {"n_valid": config.n_valid, "n_test": config.n_test}
        return {classes: make_pools(utterances, classes, split=config.split, **counts, seed=seed)}, []
    if config.split != "speaker_seen":
        raise InputError("pairs: both speakers also train, which is the split speaker_seen: leave the other out")
    pairs = choose_pairs(utterances, classes, config.pairs, seed=seed)
    shares: dict[tuple[str, ...], Pools] = {
        pair: pair_pools(utterances, pair, n_valid=config.n_valid) for pair in pairs
    }
    counted = (" + ".join(f"{name} ({len(pools.train[name])})" for name in pair) for pair, pools in shares.items())
    note = "pairs, with the number of sentences that train; the two closest in length are the test: "
    return shares, [note + ", ".join(counted)]


def _mixers(
    config: MixingConfig, root: Path, seed: int, shares: Mapping[tuple[str, ...], Pools]
) -> Iterator[tuple[Mixer, Pools]]:
    """Yield a mixer for each share, and its pools; pairs are groups with a number (`pair-00`)."""
    backgrounds = noises = None
    if BACKGROUND in config.sources:
        kinds, together = list_backgrounds(config.background), config.background.together
        backgrounds = Noises(kinds, together=together, sample_rate=config.sample_rate, seed=seed)
    if config.noise_folder is not None:
        kinds = list_noises(Path(config.noise_folder))
        noises = Noises(kinds, together=False, sample_rate=config.sample_rate, seed=seed)
    rooms = None if config.room is None else Rooms(config.room)
    for number, (classes, pools) in enumerate(shares.items()):
        group = None if config.pairs is None else f"pair-{number:02}"
        mixer = Mixer(
            config, root, seed, classes=classes, backgrounds=backgrounds, noises=noises, rooms=rooms, group=group
        )
        yield mixer, pools

"""What to mix, and how; the defaults are the survey's protocol (Singh & Ogunfunmi 2022, §8)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import MAX_SOURCES, SampleRate
from sepvae.mixing import BACKGROUNDS
from sepvae.mixing.noise import BackgroundConfig
from sepvae.mixing.scene import RoomConfig
from sepvae.settings import DecibelRange, SecondsRange

BACKGROUND = "background"

Split = Literal["speaker_seen", "speaker_open"]

# YAML reads the dialect 1 and the speaker 19 as numbers.
Name = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
HowMany = Annotated[int, Field(ge=1, le=1_000_000)]


class MixingConfig(Config):
    """What to mix, and how.

    `sources` names the class of each source: `female`, `male`, `any` or `speech` (anyone), a speaker's id, or
    `background`; repeated classes are numbered (`any_1`, `any_2`). Only the speakers of `dialects` (names, or a number:
    so many, those with most utterances; `each` makes a group with models of its own of every dialect, which has its
    share of the `n_test` mixtures) and among `speakers` (names, or a number: so many, drawn) take part. `n_valid`
    is an upper bound, and small: what is validated on cannot be learnt from; so is `n_train` of a single source.
    `length` is `min`, all sources are heard all the time, or `max`, shorter ones are padded. `snr_db` is the range of
    the level of the first source over each other one, `noise_snr_db` of all sources over the noise. `skip_damaged`
    reads every file once before anything is drawn, and leaves out those that cannot be used: unreadable, silent, of
    several channels, or turned into noise by a lost byte (`sepvae corpus validate` names them). Without it files that a
    byte was lost from are taken, and the others are left out when they come up. `background` says what that source is
    drawn from; `noise_folder` lays noise under the mixtures that is no source, and `noise_kinds` lays synthetic noise
    of these kinds under them. Its recordings are shared out between training, validation and test, or with
    `noise_shared`, where nothing is tested, all of them are in each. With `room` they are heard in rooms by
    several microphones; levels and level ratios are then those of the images at the first one.

    `pairs`, a number or a list of pairs of speakers, is another protocol: each pair is a group with models of its own,
    and all sentences of the two train but those closest in length, which are the test: one of each for one mixture, as
    in Subakan & Smaragdis 2018, two of each for up to four, and so on. `n_train`, `n_valid` and `n_test` are then for
    each pair.

    `folds`, lists of speakers, says who is never heard in the split `speaker_open`, one fold after the other: each is a
    group with models of its own, its speakers are the test and all others train, and its share of the `n_test` mixtures
    goes through all companies of its speakers in turn. `n_train` and `n_valid` are then for each fold.
    """

    split: Split = "speaker_seen"
    sources: tuple[str, ...] = Field(("female", "male"), min_length=1, max_length=MAX_SOURCES)
    dialects: Literal["each"] | HowMany | tuple[Name, ...] = ()
    speakers: HowMany | tuple[Name, ...] | None = None
    pairs: HowMany | tuple[tuple[Name, Name], ...] | None = None
    folds: tuple[Annotated[tuple[Name, ...], Field(min_length=1)], ...] | None = Field(None, min_length=1)
    background: BackgroundConfig = BackgroundConfig()
    n_train: Count = 80
    n_valid: Count = 3
    n_test: Count = 10
    sample_rate: SampleRate = 16000
    duration_s: SecondsRange = (2.0, 4.0)
    length: Literal["min", "max"] = "min"
    snr_db: DecibelRange = (0.0, 0.0)
    skip_damaged: bool = True
    level_rms: float = Field(0.05, gt=0, lt=1)
    noise_folder: str | None = None
    noise_kinds: tuple[str, ...] = ()
    noise_shared: bool = False
    noise_snr_db: DecibelRange = (0.0, 20.0)
    room: RoomConfig | None = None

    @field_validator("sources")
    @classmethod
    def _someone_speaks(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        if sources.count(BACKGROUND) > 1 or set(sources) == {BACKGROUND}:
            raise ConfigError(f"needs someone who speaks, and at most one {BACKGROUND}: such as [speech, background]")
        if strange := [name for name in sources if not re.fullmatch(r"[\w-]+", name)]:
            raise ConfigError(
                f"{strange[0]!r} cannot name a source: only letters, digits, _ and - may be in it: rename that folder"
            )
        return sources

    @model_validator(mode="after")
    def _of_two(self) -> MixingConfig:
        if self.pairs is not None and (len(self.sources) != 2 or BACKGROUND in self.sources):
            raise ConfigError(f"pairs: needs two sources that speak, sources = {', '.join(self.sources)}")
        return self

    @field_validator("noise_kinds")
    @classmethod
    def _can_be_synthesised(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if strange := [kind for kind in kinds if kind not in BACKGROUNDS]:
            raise ConfigError(f"noise_kinds: {strange[0]!r} cannot be synthesised, but {', '.join(BACKGROUNDS)}")
        return kinds

    @model_validator(mode="after")
    def _noise_of_the_test_is_its_own(self) -> MixingConfig:
        if self.noise_shared and self.n_test:
            raise ConfigError(f"noise_shared: noise of the training is no test: set n_test = 0, which is {self.n_test}")
        if self.noise_shared and not self.noisy:
            raise ConfigError("noise_shared: there is no noise: give noise_folder or noise_kinds")
        return self

    @model_validator(mode="after")
    def _grouped_once(self) -> MixingConfig:
        if self.dialects == "each" and (self.pairs is not None or self.split == "speaker_open"):
            raise ConfigError("dialects = each: goes with speaker_seen and without pairs: name some, or leave it out")
        return self

    @model_validator(mode="after")
    def _folds_share_nobody(self) -> MixingConfig:
        if self.folds is None:
            return self
        if self.pairs is not None:
            raise ConfigError("folds: each is a group of its own, as each of pairs is: leave one of the two out")
        names = [name for fold in self.folds for name in fold]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"folds: {min(twice)} stands in them twice: a speaker is in the test of one fold")
        return self

    @model_validator(mode="after")
    def _fits_the_room(self) -> MixingConfig:
        if self.room is None:
            return self
        if self.noisy:
            named = "noise_kinds" if self.noise_folder is None else f"noise_folder = {self.noise_folder}"
            raise ConfigError(
                f"{named}: is noise at one microphone, and room has several: leave one of "
                "the two out; the source background is heard from a place in the room"
            )
        self.room.check_angles(len(self.sources))
        self.room.check_cost(len(self.sources), self.sample_rate)
        return self

    @property
    def noisy(self) -> bool:
        """Whether noise that is no source lies under the mixtures."""
        return self.noise_folder is not None or bool(self.noise_kinds)

    @property
    def folders(self) -> dict[str, Path]:
        """The folders beside the corpus that recordings are drawn from, by what they hold."""
        used = {
            "background": self.background.folder if BACKGROUND in self.sources else None,
            "noise": self.noise_folder,
            "room": None if self.room is None else self.room.folder,
        }
        return {what: Path(folder) for what, folder in used.items() if folder is not None}

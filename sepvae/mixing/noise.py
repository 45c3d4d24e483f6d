"""Backgrounds and noises: which recordings there are, which of them train, validate and test, and stretches of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from sepvae import audio
from sepvae.audio import Wave
from sepvae.batch import one_of_many
from sepvae.config import Config
from sepvae.corpora.damaged_files import SILENCE_RMS, level
from sepvae.corpora.listing import subfolders
from sepvae.errors import ConfigError, InputError, SepvaeError
from sepvae.files import check_folder
from sepvae.formats import AUDIO_ENDINGS, is_audio
from sepvae.inputs import Tree
from sepvae.mixing import BACKGROUNDS
from sepvae.mixing.backgrounds import N_RECORDINGS, synthesise
from sepvae.mixing.manifest import Source
from sepvae.mixing.mixture import load_source
from sepvae.seeds import derive_seed

_LOGGER = logging.getLogger(__name__)

# Draws of a stretch before the loudest one is taken: a pause may be most of a recording.
_DRAWS = 20
# Shares of time where a kind has too few files to split them: the first 60 % train, then validation, then test.
_VALID_FROM, _TEST_FROM = 0.6, 0.8
_TEST_FILES = 5


class RecordingLists(Config):
    """Which recordings train, validate and test: paths in the folder of the backgrounds, such as `water/rain.flac`."""

    train: tuple[str, ...] = Field(min_length=1)
    valid: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)

    def of_kind(self, kind: str) -> dict[str, tuple[str, ...]]:
        """Return the paths of one kind by split; there are none of a kind that is not listed."""
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        return {split: tuple(path for path in own if _kind(path) == kind) for split, own in splits.items()}

    @model_validator(mode="after")
    def _each_once(self) -> RecordingLists:
        counts = Counter((*self.train, *self.valid, *self.test))
        if twice := [path for path, count in counts.items() if count > 1]:
            raise ConfigError(f"{min(twice)} stands in them twice: a recording is in one list")
        for kind in sorted({_kind(path) for path in counts}):
            if empty := [split for split, own in self.of_kind(kind).items() if not own]:
                raise ConfigError(f"{empty[0]}: lists no recording of the kind {kind!r}: each list needs one")
        return self


class BackgroundConfig(Config):
    """What the source `background` is made of.

    `kinds` are folders in `folder`, each with recordings of one kind; without a folder, and for `gaussian` always, they
    are synthesised. Each mixture has one of the kinds, or with `together` all of them at the same level. `recordings`
    says which files of the folder train, validate and test; of kinds that it does not list, and where it is None, that
    is drawn.
    """

    kinds: tuple[str, ...] = Field(tuple(BACKGROUNDS), min_length=1)
    folder: str | None = None
    together: bool = False
    recordings: RecordingLists | None = None


@dataclass(frozen=True)
class Recording:
    """A file (`folder` and `path`) or a synthetic recording (`kind/number`), and the part [start, stop) of it to use.

    `start` and `stop` are fractions of its length.
    """

    kind: str
    path: str
    folder: Path | None
    start: float = 0.0
    stop: float = 1.0

    def load(self, sample_rate: int) -> tuple[Wave, str]:
        """Return its samples (time,) and the hash of the file, empty for a synthetic one."""
        if self.folder is None:
            return synthesise(self.kind, int(self.path.rpartition("/")[2]), sample_rate=sample_rate), ""
        return load_source(self.folder / self.path, sample_rate)


class UnusableRecordingError(InputError):
    """A recording of which no stretch can be mixed; the message names its file."""

    def __init__(self, recording: Recording, message: str) -> None:
        super().__init__(message)
        self.recording = recording


def without(kinds: Mapping[str, Sequence[Recording]], unusable: Mapping[str, str]) -> dict[str, list[Recording]]:
    """Return recordings by kind without some, by their paths; InputError when nothing is left of a kind."""
    left = {kind: [one for one in own if one.path not in unusable] for kind, own in kinds.items()}
    for kind, own in left.items():
        if not own:
            first = next(unusable[one.path] for one in kinds[kind])
            raise InputError(f"background or noise {kind!r}: none of its recordings can be used, the first: {first}")
    return left


def rms(wave: Wave, path: Path | str) -> float:
    """Return the root mean square of a stretch; InputError names the file where there is only silence."""
    found = level(wave)
    if found < SILENCE_RMS:
        raise InputError(f"{path}: the stretch to be mixed is silent: leave the file out ('sepvae corpus validate')")
    return found


def heard_stretch(wave: Wave, count: int, random: np.random.Generator) -> int:
    """Return where a stretch of `count` samples begins in a wave (time,): drawn, and again where it is a pause.

    Of a wave that is nearly all pause it is the loudest stretch; whether that is heard is for the caller to see.
    """
    last = len(wave) - count
    for _ in range(_DRAWS):
        start = int(random.integers(last + 1))
        if level(wave[start : start + count]) >= SILENCE_RMS:
            return start
    energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    return int(np.argmax(energy[count:] - energy[: last + 1]))


def _kind(path: str) -> str:
    """Return the kind of a recording: the folder that it lies in, empty where it lies in none."""
    return path.split("/")[0] if "/" in path else ""


def _files(folder: Path, root: Path, kind: str) -> list[Recording]:
    """Return the recordings below a folder; those that cannot be read are left out, and named in warnings."""
    tree, found = Tree(folder), list[Recording]()
    paths = [folder / path for path in tree.files() if is_audio(path)]
    for _, message in tree.passed_over.failures():
        raise InputError(message)
    for path in paths:
        try:
            with one_of_many(str(path)):
                audio.inspect(path)
        except SepvaeError as error:
            _LOGGER.warning("%s: left out", error)
            continue
        found.append(Recording(kind, path.relative_to(root).as_posix(), root))
    return found


def list_noises(folder: Path) -> dict[str, list[Recording]]:
    """Return the recordings of a folder by kind, which is the folder inside it where they lie.

    Raises:
        InputError: there is no such folder, or nothing in it that can be read.
    """
    check_folder(folder, advice=f"give one of noise, with {', '.join(AUDIO_ENDINGS)} files")
    kinds: dict[str, list[Recording]] = {}
    for recording in _files(folder, folder, ""):
        kind = _kind(recording.path)
        kinds.setdefault(kind, []).append(replace(recording, kind=kind))
    if not kinds:
        raise InputError(f"{folder}: no noise found there: give a folder with {', '.join(AUDIO_ENDINGS)} files")
    return kinds


def list_backgrounds(config: BackgroundConfig) -> dict[str, list[Recording]]:
    """Return the recordings of each kind asked for.

    Raises:
        InputError: there is no such folder, or a kind is neither in it nor one that can be synthesised.
    """
    kinds: dict[str, list[Recording]] = {}
    for kind in dict.fromkeys(config.kinds):
        if config.folder is not None and kind != "gaussian":
            root = Path(config.folder)
            check_folder(root, advice="give with background.folder one that has a folder for each kind")
            found = _files(root / kind, root, kind) if (root / kind).is_dir() else []
            there = [path.name for path in subfolders(root)]
            advice = f"its folders are {', '.join(there) or 'none'}"
        else:
            numbers = range(N_RECORDINGS) if kind in BACKGROUNDS else ()
            found = [Recording(kind, f"{kind}/{number}", None) for number in numbers]
            advice = f"what can be synthesised is {', '.join(BACKGROUNDS)}; give recordings with background.folder"
        if not found:
            raise InputError(f"{config.folder or 'background.kinds'}: no recordings of the kind {kind!r}: {advice}")
        kinds[kind] = found
    return kinds


def split_recordings(recordings: Sequence[Recording], seed: int) -> dict[str, list[Recording]]:
    """Share the recordings of one kind out between training, validation and test: no sample is in two of them.

    Three or more are split by recording: one in five (at least one) for the test, one for validation. Of two, one is
    the test's, and the end of the other is for validation; one alone is cut in three.

    Example:
        >>> rain = Recording("water", "water/rain.flac", Path("noise"))
        >>> [(part.start, part.stop) for own in split_recordings([rain], 0).values() for part in own]
        [(0.0, 0.6), (0.6, 0.8), (0.8, 1.0)]
    """
    order = sorted(recordings, key=lambda recording: derive_seed(seed, "recording", recording.path))
    if len(order) >= 3:
        n_test = max(len(order) // _TEST_FILES, 1)
        return {"train": order[n_test + 1 :], "valid": order[n_test : n_test + 1], "test": order[:n_test]}
    (first, *rest) = order
    end = _TEST_FROM if not rest else 1.0
    return {
        "train": [replace(first, stop=_VALID_FROM)],
        "valid": [replace(first, start=_VALID_FROM, stop=end)],
        "test": rest or [replace(first, start=_TEST_FROM)],
    }


def listed_recordings(recordings: Sequence[Recording], lists: RecordingLists) -> dict[str, list[Recording]] | None:
    """Return the recordings of one kind that each split has by `lists`; None of a kind that they do not list.

    Raises:
        InputError: one that they name is not there.
    """
    found = {recording.path: recording for recording in recordings if recording.folder is not None}
    named = lists.of_kind(recordings[0].kind)
    if not found or not named["test"]:
        return None
    if missing := sorted({path for own in named.values() for path in own} - set(found)):
        raise InputError(
            f"background.recordings: {', '.join(missing)} not in {recordings[0].folder}: give a folder that has them, "
            "or have them drawn: background.recordings=null"
        )
    return {split: [found[path] for path in own] for split, own in named.items()}


class Noises:
    """Draws stretches of noise for the mixtures of a split.

    `lists` say which recordings it has, else that is drawn; `shared` ones are in all splits.
    """

    def __init__(
        self,
        kinds: Mapping[str, Sequence[Recording]],
        *,
        together: bool,
        sample_rate: int,
        seed: int,
        lists: RecordingLists | None = None,
        shared: bool = False,
    ) -> None:
        listed = {kind: None if lists is None else listed_recordings(own, lists) for kind, own in kinds.items()}
        everywhere = {kind: dict.fromkeys(("train", "valid", "test"), tuple(own)) for kind, own in kinds.items()}
        drawn = {kind: listed[kind] or split_recordings(own, seed) for kind, own in kinds.items()}
        self._splits: dict[str, Mapping[str, Sequence[Recording]]] = {**(everywhere if shared else drawn)}
        self._together, self._sample_rate = together, sample_rate

    def draw(self, name: str, split: str, n_samples: int, random: np.random.Generator) -> tuple[Source, Wave]:
        """Return a stretch (time,) with an RMS of 1 and its record: of one kind drawn, or of all kinds together.

        Raises:
            UnusableRecordingError: the recording cannot be read, or nothing is heard in it.
        """
        kinds = sorted(self._splits)
        if not self._together:
            kinds = [kinds[int(random.integers(len(kinds)))]]
        layers, total = list[Source](), np.zeros(n_samples, np.float64)
        for kind in kinds:
            source, part = self._one_of(name, self._splits[kind][split], n_samples, random)
            layers.append(source)
            total += source.gain * part
        whole = layers[0].model_copy(update={"layers": tuple(layers[1:])})
        gain = 1 / rms(total.astype(np.float32), whole.path)
        return whole.amplified(gain), (gain * total).astype(np.float32)

    def _one_of(
        self, name: str, recordings: Sequence[Recording], n_samples: int, random: np.random.Generator
    ) -> tuple[Source, Wave]:
        """Return a stretch of one of some recordings."""
        recording = recordings[int(random.integers(len(recordings)))]
        try:
            with one_of_many(recording.path):
                return self._stretch(name, recording, n_samples, random)
        except SepvaeError as error:
            raise UnusableRecordingError(recording, str(error)) from error

    def _stretch(
        self, name: str, recording: Recording, n_samples: int, random: np.random.Generator
    ) -> tuple[Source, Wave]:
        wave, digest = recording.load(self._sample_rate)
        first, last = round(recording.start * len(wave)), round(recording.stop * len(wave))
        path = recording.path if recording.folder is None else recording.folder / recording.path
        if last <= first:
            raise InputError(f"{path}: holds {len(wave)} samples, too few to be noise: leave the file out")
        start = first + heard_stretch(wave[first:last], min(n_samples, last - first), random)
        part = wave[first + (np.arange(start, start + n_samples) - first) % (last - first)]
        source = Source(
            name=name,
            utterance=Path(recording.path).stem if recording.folder else recording.path.replace("/", "-"),
            path=recording.path,
            folder=None if recording.folder is None else str(recording.folder.resolve()),
            speaker="",
            sex="unknown",
            sha256=digest,
            start=start,
            n_samples=n_samples,
            offset=0,
            gain=1 / rms(part, path),
            loop=(first, last),
            synthetic=recording.folder is None,
        )
        return source, part

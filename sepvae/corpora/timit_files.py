"""The files beside the audio in every copy of TIMIT: sentence, words, phones, and the table of speakers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sepvae.corpora.reader import AudioFile, CorpusReader, Labels
from sepvae.corpora.records import Interval, Problem, Sex
from sepvae.errors import InputError
from sepvae.formats import is_audio

SPEAKER = r"[fm][a-z]{3}[0-9]"
SEXES: dict[str, Sex] = {"F": "female", "M": "male"}
_USES = {"TRN": "train", "TST": "test"}
_SIDE_FILES = (".txt", ".wrd", ".phn")
_AUDIO = re.compile(r"(\.(wav|sph|flac))+$", re.IGNORECASE)


@dataclass(frozen=True)
class SpeakerRow:
    """A row of SPKRINFO.TXT; `id` has the sex prefix that the folders have and the table lacks."""

    id: str
    sex: Sex
    dialect: int
    split: Literal["train", "test"]


def stem_of(name: str) -> str:
    """Return the sentence of an audio file's name in upper case: `SA1` for `sa1.wav` and for `SA1.WAV.wav`."""
    return _AUDIO.sub("", name).upper()


def _beside(path: str, ending: str) -> str:
    """Return the name that a side file of an audio file would have, in the letter case of the audio file."""
    return _AUDIO.sub("", path) + (ending if path.rpartition("/")[2].islower() else ending.upper())


def example_files(stems: Iterable[str], *, speakers: tuple[str, str]) -> dict[str, str | None]:
    """Return the `example` of a layout of TIMIT: recordings without their ending, and the table of speakers."""
    labels = {".txt": "0 3200 She had.\n", ".wrd": "400 1600 she\n1600 2800 had\n", ".phn": "0 400 h#\n400 3200 sh\n"}
    files: dict[str, str | None] = dict([speakers])
    for stem in stems:
        files |= {_beside(stem, ending): text for ending, text in {".wav": None, **labels}.items()}
    return files


def parse_intervals(text: str, name: str) -> tuple[Interval, ...]:
    r"""Parse lines `begin end label` (samples) of a `.WRD`, `.PHN` or `.TXT` file.

    Raises:
        InputError: a line has another form; the message names file and line.

    Example:
        >>> parse_intervals("0 7812 h#\n7812 9507 sh\n", "SA1.PHN")[1]
        Interval(start=7812, stop=9507, label='sh')
    """
    intervals = []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split(None, 2)
        if not parts:
            continue
        try:
            start, stop, label = int(parts[0]), int(parts[1]), parts[2].strip()
        except (ValueError, IndexError):
            raise InputError(f"{name}, line {number}: expected 'begin end label', received {line[:60]!r}") from None
        intervals.append(Interval(start, stop, label))
    return tuple(intervals)


def parse_speakers(text: str, name: str, problems: list[Problem]) -> dict[str, SpeakerRow]:
    """Parse SPKRINFO.TXT (`ID Sex DR Use ...`, comments start with `;`); rows of another form become problems."""
    speakers = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or line.lstrip().startswith(";"):
            continue
        initials, sex, dialect, use = [field.upper() for field in [*fields, "", "", ""][:4]]
        if sex not in SEXES or dialect not in set("12345678") or use not in _USES:
            message = f"{name}, line {number}: expected 'ID M|F 1-8 TRN|TST ...', received {line[:60]!r}"
            problems.append(Problem("broken_speaker_table", name, message))
            continue
        split: Literal["train", "test"] = "train" if use == "TRN" else "test"
        speakers[sex + initials] = SpeakerRow(sex + initials, SEXES[sex], int(dialect), split)
    return speakers


def _group_copies(paths: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Group the files of one utterance by (folder, sentence), the original first: re-packs keep `SA1.WAV.wav` too."""
    copies: dict[tuple[str, str], list[str]] = {}
    for path in sorted(paths, key=lambda path: (len(path), path)):
        folder, _, name = path.rpartition("/")
        copies.setdefault((folder, stem_of(name)), []).append(path)
    return copies


class TimitReader(CorpusReader):
    """What readers of TIMIT share: files in any letter case, with sentence, words and phones beside the audio.

    `place` finds the groups `speaker`, `dialect` and, where the layout has it, `split` in the lower-case path of a
    folder; the corpus's own name counts as a part of it, since TRAIN alone may be given.
    """

    ignores_case = True
    place: re.Pattern[str]

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`FCJF0_SA1`)."""
        found, strangers = [], []
        for (folder, sentence), paths in _group_copies(path for path in files if is_audio(path)).items():
            match = self.place.search(f"{self.root.resolve().name}/{folder}".casefold())
            if match is None:
                strangers += paths
                continue
            speaker = match["speaker"].upper()
            split = match.groupdict().get("split")
            name = f"{speaker}_{sentence}"
            sex, spares = SEXES[speaker[0]], tuple(paths[1:])
            found.append(AudioFile(name, paths[0], speaker, sex, split, spares, match["dialect"]))
        self.report_unrecognised(sorted(strangers))
        self._check_speakers(files, found)
        self._beside = {path.casefold(): path for path in files if path.casefold().endswith(_SIDE_FILES)}
        self._report_orphans(found)
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the labels of one utterance; what is missing or malformed becomes a problem."""
        sentence = self._intervals(_beside(item.path, ".txt"), "missing_text")
        return Labels(
            text=" ".join(interval.label for interval in sentence) or None,
            words=self._intervals(_beside(item.path, ".wrd"), "missing_words"),
            phones=self._intervals(_beside(item.path, ".phn"), "missing_phones"),
        )

    def _intervals(self, wanted: str, missing: str) -> tuple[Interval, ...]:
        path = self._beside.get(wanted.casefold())
        if path is None:
            self.problems.append(Problem(missing, wanted, f"{wanted}: missing beside its audio"))
            return ()
        text = self.read_beside(path)
        try:
            return parse_intervals(text or "", path)
        except InputError as error:
            self.problems.append(Problem("broken_alignment", path, str(error)))
            return ()

    def _report_orphans(self, found: Iterable[AudioFile]) -> None:
        """Add a problem for each sentence in a speaker's folder that has side files but no audio."""
        recorded = {_AUDIO.sub("", item.path).casefold() for item in found}
        silent: dict[str, str] = {}
        for key, path in self._beside.items():
            stem = key.rpartition(".")[0]
            if stem not in recorded and self.place.search(key.rpartition("/")[0]):
                silent.setdefault(stem, path)
        for path in silent.values():
            wanted = _beside(path.rpartition(".")[0], ".wav")
            self.problems.append(Problem("missing_audio", wanted, f"{wanted}: missing, but {path} is there"))

    def _check_speakers(self, files: Sequence[str], found: Iterable[AudioFile]) -> None:
        """Compare the folders with SPKRINFO.TXT: a missing table or row, another sex or another split are problems."""
        name = "SPKRINFO.TXT"
        text = self.read_speakers(files, name, without="sexes are taken from the folder names (FCJF0 is female)")
        if text is None:
            return
        table = parse_speakers(text, name, self.problems)
        placed = {(item.speaker, item.split) for item in found}
        for speaker, split in sorted(placed, key=str):
            row, other = table.get(speaker), table.get({"F": "M", "M": "F"}[speaker[0]] + speaker[1:])
            if row is None and other is not None:
                message = f"{speaker}: {other.sex} in {name}, another sex in the folder name"
                self.problems.append(Problem("sex_mismatch", speaker, message))
            elif row is None:
                self.problems.append(Problem("unknown_speaker", speaker, f"{speaker}: has no row in {name}"))
            elif split is not None and split != row.split:
                message = f"{speaker}: belongs to {row.split} in {name}, the folder lies in {split}"
                self.problems.append(Problem("split_mismatch", speaker, message))

"""Any folder of speakers: `<speaker>/**/*.wav`, with an optional table of sexes and texts beside the audio."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from sepvae.corpora.reader import AudioFile, CorpusReader, Labels
from sepvae.corpora.records import Problem, Sex
from sepvae.errors import InputError
from sepvae.files import read_text
from sepvae.formats import AUDIO_ENDINGS, is_audio
from sepvae.inputs import Tree

_TABLES = {"speakers.csv": ",", "speakers.tsv": "\t"}
_SEXES: dict[str, Sex] = {
    "f": "female", "female": "female", "w": "female", "m": "male", "male": "male",
    "unknown": "unknown", "u": "unknown", "": "unknown",
}  # fmt: skip
_SPLITS = ("train", "test", "dev", "valid", "validation", "val", "eval")


def parse_speakers(text: str, name: str, *, delimiter: str) -> dict[str, Sex]:
    r"""Parse a table with the columns `speaker` and `sex`; other columns are free.

    Raises:
        InputError: a column is missing, a sex is not known, or a speaker has two sexes; the message has the line.

    Example:
        >>> parse_speakers("speaker,sex\nanna,f\nben,male\n", "speakers.csv", delimiter=",")
        {'anna': 'female', 'ben': 'male'}
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter)
    columns = {(column or "").strip().casefold(): column for column in rows.fieldnames or []}
    if "speaker" not in columns or "sex" not in columns:
        received = ", ".join(columns) or "nothing"
        raise InputError(f"{name}: the first line must name the columns 'speaker' and 'sex', received {received}")
    sexes: dict[str, Sex] = {}
    for row in rows:
        speaker, sex = (row[columns["speaker"]] or "").strip(), (row[columns["sex"]] or "").strip().casefold()
        if sex not in _SEXES or not speaker:
            what = f"sex {sex!r}" if speaker else "an empty speaker"
            raise InputError(f"{name}, line {rows.line_num}: {what}: allowed are female, male, unknown (f, m, u)")
        if sexes.setdefault(speaker, _SEXES[sex]) != _SEXES[sex]:
            raise InputError(f"{name}, line {rows.line_num}: speaker {speaker!r} has two sexes: keep one row")
    return sexes


class SpeakerFolders(CorpusReader):
    """Reader of a folder per speaker; folders called train, test, dev or valid above them become splits."""

    name = "folder"
    layout = f"<speaker>/**/*{{{','.join(AUDIO_ENDINGS)}}}, such as anna/monday/001.wav"
    example: ClassVar = {
        "speakers.csv": "speaker,sex\nanna,female\nben,male\n",
        **dict.fromkeys(("anna/monday/001.wav", "anna/monday/002.flac", "ben/001.wav", "ben/002.ogg")),
        "anna/monday/001.txt": "Good morning.",
    }

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder inside holds an audio file."""
        return any(is_audio(name) for prefix, names in Tree(root).walk() if prefix for name in names)

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`anna_monday_001`); InputError when the table of speakers is malformed."""
        sexes = self._sexes(files)
        sounds = [path for path in files if is_audio(path)]
        splits = {path.split("/")[0] for path in sounds if "/" in path}
        has_splits = bool(splits) and all(name.casefold() in _SPLITS for name in splits)
        depth = 1 if has_splits else 0
        found = []
        for path in [path for path in sounds if path.count("/") > depth]:
            parts = path.split("/")[depth:]
            name = "_".join([*parts[:-1], parts[-1].rpartition(".")[0]])
            split = path.split("/")[0].casefold() if has_splits else None
            found.append(AudioFile(name, path, parts[0], sexes.get(parts[0], "unknown"), split))
        self.report_unrecognised(path for path in sounds if path.count("/") <= depth)
        if sexes:
            self.report_speakers(found, sexes, "the table of speakers", complete=True)
        self._texts = {path[:-4]: path for path in files if path.casefold().endswith(".txt")}
        self._report_texts(self._texts, sounds)
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the text beside the recording."""
        path = self._texts.get(item.path.rpartition(".")[0])
        text = self.read_beside(path) if path else None
        return Labels(" ".join(text.split()) or None) if text else Labels()

    def _sexes(self, files: Sequence[str]) -> dict[str, Sex]:
        tables = [path for path in files if path.casefold() in _TABLES]
        if len(tables) > 1:
            raise InputError(f"{self.root}: has {' and '.join(tables)}: keep one table of speakers")
        if not tables:
            message = "speakers.csv: missing; the sexes are not known (columns: speaker,sex)"
            self.problems.append(Problem("missing_speaker_table", "speakers.csv", message))
            return {}
        path = self.root / tables[0]
        return parse_speakers(read_text(path), str(path), delimiter=_TABLES[path.name.casefold()])

    def _report_texts(self, texts: dict[str, str], sounds: list[str]) -> None:
        """Add a problem for texts without audio in folders where other audio has its text: an audio file was lost."""
        stems = {path.rpartition(".")[0] for path in sounds}
        folders = {stem.rpartition("/")[0] for stem in texts.keys() & stems}
        self.problems += [
            Problem("text_without_audio", path, f"{path}: there is no audio file of the same name")
            for stem, path in sorted(texts.items())
            if stem not in stems and stem.rpartition("/")[0] in folders
        ]

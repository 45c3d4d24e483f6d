"""LibriSpeech and its relatives: `<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac`.

Source: Panayotov et al. 2015, "LibriSpeech: an ASR corpus based on public domain audio books".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from sepvae.corpora.listing import file_names, subfolders
from sepvae.corpora.reader import AudioFile, CorpusReader, Labels, PublishedCorpus
from sepvae.corpora.records import Problem, Sex
from sepvae.formats import is_audio

_SUBSET = re.compile(r"(train|dev|test)-(clean|other)(-\d+)?")
_AUDIO = re.compile(r"(?P<id>(?P<speaker>\d+)-(?P<chapter>\d+)-\d+)\.(flac|wav|ogg)", re.IGNORECASE)
_SEXES: dict[str, Sex] = {"F": "female", "M": "male"}


def parse_speakers(text: str, name: str, problems: list[Problem]) -> dict[str, Sex]:
    """Parse SPEAKERS.TXT (`ID | SEX | SUBSET | MINUTES | NAME`); rows of another form become problems.

    A name may itself hold a `|`.

    Example:
        >>> parse_speakers("60 | M | train-clean-100 | 20.18 | A | B", "SPEAKERS.TXT", [])
        {'60': 'male'}
    """
    sexes = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|", 4)]
        if len(fields) < 2 or not fields[0].isdecimal() or fields[1].upper() not in _SEXES:
            message = f"{name}, line {number}: expected 'ID | M|F | SUBSET | MINUTES | NAME', received {line[:60]!r}"
            problems.append(Problem("broken_speaker_table", name, message))
            continue
        sexes[fields[0]] = _SEXES[fields[1].upper()]
    return sexes


def _looks_like_subset(folder: Path) -> bool:
    """Whether a folder holds `<speaker>` folders of digits with `<speaker>-*.flac`, at once or by chapters."""
    speakers = (place for place in subfolders(folder) if place.name.isdecimal())
    places = (place for speaker in speakers for place in (speaker, *subfolders(speaker)))
    return any(_AUDIO.fullmatch(name) for place in places for name in file_names(place))


class LibriSpeech(CorpusReader):
    """Reader of LibriSpeech: the folder given may be one subset, hold the subsets, or lie one above."""

    name = "librispeech"
    layout = (
        "<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac, such as test-clean/61/70968/61-70968-0000.flac"
    )
    example: ClassVar = {
        "SPEAKERS.TXT": "19 | F | train-clean-100 | 25.19 | Kara\n61 | M | test-clean | 8.08 | Paul\n",
        **dict.fromkeys(f"train-clean-100/19/198/19-198-000{number}.flac" for number in range(2)),
        "train-clean-100/19/198/19-198.trans.txt": "19-198-0000 NORTHANGER ABBEY\n19-198-0001 THIS LITTLE WORK\n",
        **dict.fromkeys(f"test-clean/61/70968/61-70968-000{number}.flac" for number in range(2)),
        "test-clean/61/70968/61-70968.trans.txt": "61-70968-0000 HE BEGAN\n61-70968-0001 THERE WAS GLORY\n",
    }
    published = PublishedCorpus(sample_rate=16000)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether a subset such as `train-clean-100` lies here or below, or the folder is one."""
        inside = subfolders(root)
        below = [place for folder in inside if "libri" in folder.name.casefold() for place in subfolders(folder)]
        subsets = [place for place in inside + below if _SUBSET.fullmatch(place.name)]
        return any(_looks_like_subset(place) for place in [root, *subsets])

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`61-70968-0000`) with the sexes of the table and the innermost subset as split."""
        table = self.read_speakers(files, "SPEAKERS.TXT", without="the sexes are not known")
        sexes = parse_speakers(table or "", "SPEAKERS.TXT", self.problems)
        found, strangers = [], []
        for path in files:
            match = _AUDIO.fullmatch(path.rpartition("/")[2])
            if match:
                speaker = match["speaker"]
                found.append(AudioFile(match["id"], path, speaker, sexes.get(speaker, "unknown"), self._subset(path)))
            elif is_audio(path):
                strangers.append(path)
        self.report_unrecognised(strangers)
        if table is not None:
            self.report_speakers(found, sexes, "SPEAKERS.TXT")
        self._texts = self._read_texts(files, found)
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the sentence of the transcript."""
        return Labels(self._texts.get(item.path))

    def _subset(self, path: str) -> str | None:
        folders = [*self.root.resolve().parts, *path.split("/")[:-1]]
        return next((name for name in reversed(folders) if _SUBSET.fullmatch(name)), None)

    def _read_texts(self, files: Iterable[str], found: Iterable[AudioFile]) -> dict[str, str]:
        """Return audio path -> sentence from the `<speaker>-<chapter>.trans.txt` beside the audio."""
        transcripts = {path for path in files if path.endswith(".trans.txt")}
        chapters: dict[str, dict[str, str]] = {}
        for item in found:
            wanted = f"{item.path.rpartition('/')[0]}/{item.id.rpartition('-')[0]}.trans.txt".lstrip("/")
            chapters.setdefault(wanted, {})[item.id] = item.path
        texts = {}
        for wanted, paths in sorted(chapters.items()):
            if wanted not in transcripts:
                message = f"{wanted}: missing; {len(paths)} utterances have no text"
                self.problems.append(Problem("missing_text", wanted, message))
                continue
            lines = (self.read_beside(wanted) or "").splitlines()
            sentences = {name: text for name, _, text in (line.partition(" ") for line in lines) if name}
            texts.update({path: sentences[name] for name, path in paths.items() if sentences.get(name)})
            self._compare(wanted, paths, sentences)
        return texts

    def _compare(self, wanted: str, paths: dict[str, str], sentences: dict[str, str]) -> None:
        for name in sorted(paths.keys() - sentences.keys()):
            message = f"{paths[name]}: has no line in {wanted}"
            self.problems.append(Problem("missing_text", paths[name], message))
        folder = wanted.rpartition("/")[0]
        for name in sorted(sentences.keys() - paths.keys()):
            path = f"{folder}/{name}.flac".lstrip("/")
            self.problems.append(Problem("missing_audio", path, f"{path}: missing, but {wanted} has its text"))

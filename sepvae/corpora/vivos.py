"""VIVOS (Vietnamese): `train/waves/VIVOSSPK01/VIVOSSPK01_R001.wav`, with `prompts.txt` and `genders.txt` per split.

Source: Luong & Vu 2016, "A non-expert Kaldi recipe for Vietnamese Speech Recognition System".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from sepvae.corpora.listing import subfolders
from sepvae.corpora.reader import AudioFile, CorpusReader, Labels, PublishedCorpus
from sepvae.corpora.records import Problem, Sex
from sepvae.formats import is_audio

_AUDIO = re.compile(
    r"(?:^|/)(?:(?P<split>train|test)/)?waves/(?P<speaker>[^/]+)/(?P<id>(?P=speaker)_[^/]+)\.wav$", re.IGNORECASE
)
_SEXES: dict[str, Sex] = {"f": "female", "m": "male"}


def _has_waves(folder: Path) -> bool:
    """Whether a folder is a split of VIVOS: waves with folders of speakers, and the prompts beside them."""
    waves = [place for place in subfolders(folder) if place.name.casefold() == "waves"]
    return any(subfolders(place) for place in waves) and (folder / "prompts.txt").is_file()


def parse_rows(text: str, name: str, code: str, problems: list[Problem]) -> dict[str, str]:
    """Parse lines `KEY rest of the line`; a key without a rest becomes a problem.

    Example:
        >>> parse_rows("VIVOSSPK01_R001 KHÁCH SẠN", "prompts.txt", "broken_text", [])
        {'VIVOSSPK01_R001': 'KHÁCH SẠN'}
    """
    rows = {}
    for number, line in enumerate(text.splitlines(), start=1):
        key, _, rest = line.strip().partition(" ")
        if not key:
            continue
        if not rest.strip():
            message = f"{name}, line {number}: expected a name and more behind it, received {line[:60]!r}"
            problems.append(Problem(code, name, message))
            continue
        rows[key] = " ".join(rest.split())
    return rows


class Vivos(CorpusReader):
    """Reader of VIVOS: the folder given may hold train and test, be one of them, or lie above them."""

    name = "vivos"
    layout = "train|test/waves/<speaker>/<speaker>_<sentence>.wav, such as train/waves/VIVOSSPK01/VIVOSSPK01_R001.wav"
    example: ClassVar = {
        path: content
        for split, speaker, sex in (("train", "VIVOSSPK01", "f"), ("test", "VIVOSDEV01", "m"))
        for path, content in (
            (f"{split}/genders.txt", f"{speaker} {sex}\n"),
            (f"{split}/prompts.txt", f"{speaker}_R001 KHÁCH SẠN\n{speaker}_R002 VÂNG\n"),
            (f"{split}/waves/{speaker}/{speaker}_R001.wav", None),
            (f"{split}/waves/{speaker}/{speaker}_R002.wav", None),
        )
    }
    published = PublishedCorpus(sample_rate=16000)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether the waves and prompts of a split lie here, in a folder here, or one level below."""
        inside = subfolders(root)
        return any(
            _has_waves(place) for place in (root, *inside, *(p for folder in inside for p in subfolders(folder)))
        )

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`VIVOSSPK01_R001`)."""
        sexes = self._sexes(files)
        found = self._found(files, sexes)
        self.report_speakers(found, sexes, "genders.txt")
        self._texts = self._rows(files, "prompts.txt", "broken_text")
        self._report_prompts(self._texts, found)
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the sentence."""
        return Labels(self._texts.get(item.id))

    def _found(self, files: Iterable[str], sexes: dict[str, Sex]) -> list[AudioFile]:
        found, strangers = [], []
        for path in (path for path in files if is_audio(path)):
            # The folder's own name counts as part of the path, since one split alone may be given.
            match = _AUDIO.search(f"{self.root.resolve().name}/{path}")
            if match is None:
                strangers.append(path)
                continue
            split = match["split"]
            sex = sexes.get(match["speaker"], "unknown")
            found.append(AudioFile(match["id"], path, match["speaker"], sex, split.casefold() if split else None))
        self.report_unrecognised(strangers)
        return found

    def _rows(self, files: Iterable[str], name: str, code: str) -> dict[str, str]:
        """Return the rows of every file of a name, one of each split; without such a file a problem says so."""
        paths = [path for path in files if path.rpartition("/")[2].casefold() == name]
        if not paths:
            code = "missing_speaker_table" if name == "genders.txt" else "missing_text"
            without = "the sexes are not known" if name == "genders.txt" else "no utterance has a text"
            self.problems.append(Problem(code, name, f"{name}: missing; {without}"))
        rows: dict[str, str] = {}
        for path in paths:
            text = self.read_beside(path)
            rows |= parse_rows(text or "", path, code, self.problems)
        return rows

    def _sexes(self, files: Iterable[str]) -> dict[str, Sex]:
        sexes: dict[str, Sex] = {}
        for speaker, sex in self._rows(files, "genders.txt", "broken_speaker_table").items():
            if sex.casefold() not in _SEXES:
                message = f"genders.txt: speaker {speaker}: expected f or m, received {sex[:20]!r}"
                self.problems.append(Problem("broken_speaker_table", "genders.txt", message))
                continue
            sexes[speaker] = _SEXES[sex.casefold()]
        return sexes

    def _report_prompts(self, prompts: dict[str, str], found: list[AudioFile]) -> None:
        """Add a problem for each sentence without a prompt or without audio."""
        if not prompts:
            return
        recorded = {item.id: item.path for item in found}
        self.problems += [
            Problem("missing_text", path, f"{path}: has no line in prompts.txt")
            for name, path in sorted(recorded.items())
            if name not in prompts
        ]
        self.problems += [
            Problem("text_without_audio", name, f"prompts.txt: there is no audio of {name}")
            for name in sorted(prompts.keys() - recorded.keys())
        ]

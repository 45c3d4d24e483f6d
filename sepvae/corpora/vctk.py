"""VCTK 0.92 (`wav48_silence_trimmed/p225/p225_001_mic1.flac`) and 0.80 (`wav48/p225/p225_001.wav`), 48 kHz.

Source: Yamagishi et al. 2019, "CSTR VCTK Corpus: English multi-speaker corpus for CSTR voice cloning toolkit".
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
    r"(?:.*/)?(?P<folder>wav[^/]*)/(?P<speaker>[^/]+)/(?P<id>(?P=speaker)_\d+)(?:_mic(?P<mic>\d))?\.(?:flac|wav)",
    re.IGNORECASE,
)
_TEXT = re.compile(r"(?:.*/)?txt/(?P<speaker>[^/]+)/(?P<id>(?P=speaker)_\d+)\.txt", re.IGNORECASE)
_SEXES: dict[str, Sex] = {"F": "female", "M": "male"}
# The two releases; a folder that a user resampled beside them is taken only when they are absent.
_FOLDERS = ("wav48_silence_trimmed", "wav48")


def parse_speakers(text: str, name: str, problems: list[Problem]) -> dict[str, Sex]:
    r"""Parse speaker-info.txt (`ID AGE GENDER ACCENTS REGION`); ids get the `p` that version 0.80 leaves out.

    The region may be empty or hold spaces, so columns are counted from the left only.

    Example:
        >>> parse_speakers("ID AGE GENDER ACCENTS REGION\n225 23 F English Southern England", "speaker-info.txt", [])
        {'p225': 'female'}
    """
    sexes = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].casefold() == "id":
            continue
        if len(fields) < 3 or fields[2].upper() not in _SEXES:
            message = f"{name}, line {number}: expected 'ID AGE M|F ACCENTS REGION', received {line[:60]!r}"
            problems.append(Problem("broken_speaker_table", name, message))
            continue
        speaker = f"p{fields[0]}" if fields[0].isdecimal() else fields[0]
        sexes[speaker.casefold()] = _SEXES[fields[2].upper()]
    return sexes


class Vctk(CorpusReader):
    """Reader of VCTK; of two microphones the first is taken, which every speaker has, the second where it fails."""

    name = "vctk"
    layout = (
        "wav48_silence_trimmed/<speaker>/<speaker>_<number>_mic1.flac (version 0.92), "
        "or wav48/<speaker>/<speaker>_<number>.wav (0.80)"
    )
    example: ClassVar = {
        "speaker-info.txt": (
            "ID  AGE  GENDER  ACCENTS  REGION\np225  23  F  English  Southern England\np226  22  M  English  Surrey\n"
        ),
        **{
            path: content
            for name in ("p225/p225_001", "p225/p225_002", "p226/p226_001", "p226/p226_002")
            for path, content in (
                (f"wav48_silence_trimmed/{name}_mic1.flac", None),
                (f"txt/{name}.txt", "Please call Stella."),
            )
        },
    }
    published = PublishedCorpus(sample_rate=48000)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder called `wav48...` lies here, or in a folder whose name starts with VCTK."""
        inside = subfolders(root)
        below = [
            place for folder in inside if folder.name.casefold().startswith("vctk") for place in subfolders(folder)
        ]
        return any(place.name.casefold() in _FOLDERS for place in inside + below)

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`p225_001`) of the release, with the other microphone as a spare."""
        table = self.read_speakers(files, "speaker-info.txt", without="the sexes are not known")
        sexes = parse_speakers(table or "", "speaker-info.txt", self.problems)
        found = self._found(files, sexes)
        if table is not None:
            self.report_speakers(found, sexes, "speaker-info.txt")
        self._texts = self._find_texts(files, found)
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the sentence."""
        path = self._texts.get(item.id)
        text = self.read_beside(path) if path else None
        return Labels(" ".join(text.split()) or None) if text else Labels()

    def _found(self, files: Iterable[str], sexes: dict[str, Sex]) -> list[AudioFile]:
        matches = {path: _AUDIO.fullmatch(path) for path in files if is_audio(path)}
        self.report_unrecognised(path for path, match in matches.items() if match is None)
        recognised = {path: match for path, match in matches.items() if match}
        folders = sorted({match["folder"].casefold() for match in recognised.values()})
        chosen = next((name for name in _FOLDERS if name in folders), folders[0] if folders else "")
        for other in sorted(set(folders) - {chosen}):
            message = f"{other}: another version of the audio in {chosen}; left out"
            self.problems.append(Problem("unrecognised", other, message))
        takes: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for path, match in recognised.items():
            if match["folder"].casefold() == chosen:
                takes.setdefault((match["speaker"], match["id"]), []).append((match["mic"] or "1", path))
        found = []
        for (speaker, name), microphones in takes.items():
            (first, path), *spares = sorted(microphones)
            if first != "1":
                message = f"{path}: used, because the take of microphone 1 is missing"
                self.problems.append(Problem("missing_microphone", path, message))
            sex = sexes.get(speaker.casefold(), "unknown")
            found.append(AudioFile(name, path, speaker, sex, spares=tuple(spare for _, spare in spares)))
        return found

    def _find_texts(self, files: Iterable[str], found: Iterable[AudioFile]) -> dict[str, str]:
        """Return utterance -> path of its text; a speaker without any text (p315) is one problem, not hundreds."""
        texts = {match["id"]: path for path, match in ((path, _TEXT.fullmatch(path)) for path in files) if match}
        wanted: dict[str, list[str]] = {}
        for item in found:
            wanted.setdefault(item.speaker, []).append(item.id)
        for speaker, names in sorted(wanted.items()):
            missing = sorted(set(names) - texts.keys())
            if len(missing) == len(names):
                message = f"txt/{speaker}: missing; {len(names)} utterances have no text"
                self.problems.append(Problem("missing_text", f"txt/{speaker}", message))
            else:
                items = [f"txt/{speaker}/{name}.txt" for name in missing]
                self.problems += [Problem("missing_text", item, f"{item}: missing") for item in items]
        spoken = {item.id for item in found}
        for name in sorted(texts.keys() - spoken):
            message = f"{texts[name]}: there is no audio of it (known of p362 and others in version 0.92)"
            self.problems.append(Problem("text_without_audio", texts[name], message))
        return texts

"""Voice Conversion Challenges: `vcc2018_training/VCC2SF1/10001.wav`, `vcc2016_training/SF1/100001.wav`; parallel texts.

Sources: Toda et al. 2016, "The Voice Conversion Challenge 2016"; Lorenzo-Trueba et al. 2018, "The Voice Conversion
Challenge 2018: Promoting Development of Parallel and Nonparallel Methods".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from sepvae.corpora.listing import file_names, subfolders
from sepvae.corpora.prompts import Prompts
from sepvae.corpora.reader import AudioFile, CorpusReader, Labels, PublishedCorpus
from sepvae.corpora.records import Problem, Sex
from sepvae.formats import is_audio

_SEXES: dict[str, Sex] = {"F": "female", "M": "male"}
_PLACE = r"(?:^|/)(?:(?:vcc201[68]_)?(?P<split>training|evaluation|reference)(?:_all)?/)?"
_TRANSCRIPT = re.compile(r"(?:.*/)?(?:transcriptions|scripts)/(?:[^/]+/)?(?P<number>\d+)\.txt", re.IGNORECASE)
_MAX_NAMED = 3


class _Challenge(CorpusReader):
    """What the readers share: the folder given may hold the parts of a challenge, be one of them, or lie above.

    A file's number is that of its sentence, the same for all speakers: the `prompt` of the utterance.
    """

    ignores_case = True
    splits_share_speakers = True
    _speaker: ClassVar[str]
    _number: ClassVar[str]
    _homes: ClassVar[tuple[str, ...]]

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether speakers such as `VCC2SF1` or `SF1`, with numbered files, lie here or in folders of the challenge."""
        places = [root]
        for _ in range(3):
            inside = [folder for place in places for folder in subfolders(place)]
            speakers = [folder for folder in inside if re.fullmatch(cls._speaker, folder.name, re.IGNORECASE)]
            names = (name for folder in speakers for name in file_names(folder))
            if any(is_audio(name) and re.fullmatch(cls._number, name.partition(".")[0]) for name in names):
                return True
            places = [folder for folder in inside if folder.name.casefold().startswith(cls._homes)]
        return False

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`VCC2SF1_10001`, `SF1_100001`)."""
        found, self._numbers = self._found(files)
        self._report_gaps(found, self._numbers)
        self._texts = self._read_texts(files, set(self._numbers.values()))
        self._prompts = Prompts(self._texts.items())
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the sentence where there is a transcript, and the prompt that all speakers share."""
        number = self._numbers[item.path]
        return Labels(self._texts.get(number), prompt=self._prompts.name(number))

    def _found(self, files: Iterable[str]) -> tuple[list[AudioFile], dict[str, str]]:
        """Return the audio files, and path -> number of the sentence."""
        ending = r"\.(?:wav|flac)$"
        pattern = re.compile(f"{_PLACE}(?P<speaker>{self._speaker})/(?P<number>{self._number}){ending}", re.IGNORECASE)
        found, numbers, strangers = [], dict[str, str](), []
        name = self.root.resolve().name
        for path in (path for path in files if is_audio(path)):
            # The folder's own name counts as part of the path, since one part of the challenge may be given.
            match = pattern.search(f"{name}/{path}")
            if match is None:
                strangers.append(path)
                continue
            speaker, split = match["speaker"].upper(), match["split"] and match["split"].casefold()
            numbers[path] = match["number"]
            found.append(AudioFile(f"{speaker}_{numbers[path]}", path, speaker, _SEXES[speaker[-2]], split))
        self.report_unrecognised(strangers)
        return found, numbers

    def _report_gaps(self, found: Iterable[AudioFile], numbers: dict[str, str]) -> None:
        """Add a problem for each speaker who lacks sentences that others read in the same part of the challenge.

        The first digit of a number is that of the task: not all speakers take part in each.
        """
        parts: dict[tuple[str, str], dict[str, set[str]]] = {}
        for item in found:
            number = numbers[item.path]
            part = parts.setdefault((item.split or "this folder", number[0]), {})
            part.setdefault(item.speaker, set()).add(number)
        for (split, _), speakers in sorted(parts.items()):
            everything = set().union(*speakers.values())
            for speaker, own in sorted(speakers.items()):
                missing = sorted(everything - own)
                if missing:
                    named = ", ".join(missing[:_MAX_NAMED]) + (", ..." if len(missing) > _MAX_NAMED else "")
                    message = f"{speaker}: lacks {len(missing)} of the {len(everything)} sentences of {split}: {named}"
                    self.problems.append(Problem("incomplete_copy", speaker, message))

    def _read_texts(self, files: Iterable[str], numbers: set[str]) -> dict[str, str]:
        """Return number -> sentence from the transcripts, which are a download of their own: none is no problem."""
        paths = {match["number"]: path for path in files if (match := _TRANSCRIPT.fullmatch(path))}
        texts = {}
        for number, path in sorted(paths.items()):
            if number not in numbers:
                message = f"{path}: there is no audio of this sentence"
                self.problems.append(Problem("text_without_audio", path, message))
                continue
            text = self.read_beside(path)
            if text and text.strip():
                texts[number] = " ".join(text.split())
        missing = sorted(numbers - paths.keys())
        if paths and missing:
            message = f"{missing[0]}.txt: missing; {len(missing)} of {len(numbers)} sentences have no transcript"
            self.problems.append(Problem("missing_text", f"{missing[0]}.txt", message))
        return texts


class Vcc2018(_Challenge):
    """Reader of the Voice Conversion Challenge 2018: sources VCC2SF1 to VCC2SM4, targets VCC2TF1 to VCC2TM2."""

    name = "vcc2018"
    layout = (
        "vcc2018_training|evaluation|reference/VCC2<S|T><F|M><n>/<number>.wav, such as "
        "vcc2018_training/VCC2SF1/10001.wav"
    )
    example = dict.fromkeys(
        f"vcc2018_training/{speaker}/{number}.wav" for speaker in ("VCC2SF1", "VCC2TM1") for number in (10001, 10002)
    )
    published = PublishedCorpus("VCC2018", 22050, 12, {"training": None})
    _speaker, _number, _homes = r"VCC2[ST][FM]\d", r"\d{5}", ("vcc2018",)


class Vcc2016(_Challenge):
    """Reader of the Voice Conversion Challenge 2016: sources SF1 to SM2, targets TF1 to TM3."""

    name = "vcc2016"
    layout = "vcc2016_training|evaluation_all/<S|T><F|M><n>/<number>.wav, such as vcc2016_training/SF1/100001.wav"
    example = dict.fromkeys(
        f"vcc2016_training/{speaker}/{number}.wav" for speaker in ("SF1", "TM1") for number in (100001, 100002)
    )
    published = PublishedCorpus("VCC2016", speakers=10, files={"training": 1620})
    _speaker, _number, _homes = r"[ST][FM]\d", r"\d{6}", ("vcc2016", "evaluation_all")

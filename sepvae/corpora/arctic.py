"""CMU ARCTIC: `cmu_us_bdl_arctic/wav/arctic_a0001.wav`, with the sentences in `etc/txt.done.data`; no splits.

Source: Kominek & Black 2003, "CMU ARCTIC databases for speech synthesis", CMU-LTI-03-177.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sepvae.corpora.listing import file_names, subfolders
from sepvae.corpora.prompts import Prompts
from sepvae.corpora.reader import AudioFile, CorpusReader, Labels, PublishedCorpus
from sepvae.corpora.records import Problem, Sex
from sepvae.formats import is_audio

_VOICE = re.compile(r"cmu_us_(?P<speaker>[a-z0-9]+)_arctic(?:-[\w.-]+)?", re.IGNORECASE)
_SENTENCE = re.compile(r"(?P<id>arctic_[ab]\d{4})\.(?:wav|flac)", re.IGNORECASE)
_AUDIO = re.compile(rf"(?:^|/){_VOICE.pattern}/wav/{_SENTENCE.pattern}$", re.IGNORECASE)
_INSIDE = re.compile(rf"(?:^|/){_VOICE.pattern}/(?P<folder>[^/]+)/", re.IGNORECASE)
_TEXTS = re.compile(rf"(?:^|/){_VOICE.pattern}/etc/txt\.done\.data$", re.IGNORECASE)
_LINE = re.compile(r'\(\s*(?P<id>\S+)\s+"(?P<text>.*)"\s*\)')

# The corpus says it nowhere in a form that programs read. Source: pyroomacoustics (Scheibler et al. 2018), which lists
# the 18 published speakers.
SEXES: dict[str, Sex] = {
    "aew": "male", "ahw": "male", "aup": "male", "awb": "male", "axb": "female", "bdl": "male",
    "clb": "female", "eey": "female", "fem": "male", "gka": "male", "jmk": "male", "ksp": "male",
    "ljm": "female", "lnh": "female", "rms": "male", "rxr": "male", "slp": "female", "slt": "female",
}  # fmt: skip


def parse_prompts(text: str, name: str, problems: list[Problem]) -> dict[str, str]:
    r"""Parse lines `( arctic_a0001 "Author of the danger trail." )`; lines of another form become problems.

    Example:
        >>> parse_prompts('( arctic_a0001 "He said \\"no\\"." )', "txt.done.data", [])
        {'arctic_a0001': 'He said "no".'}
    """
    texts = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match and match["text"].strip():
            texts[match["id"].casefold()] = " ".join(match["text"].replace('\\"', '"').split())
        elif line.strip():
            message = f"{name}, line {number}: expected '( arctic_a0001 \"Text.\" )', received {line[:60]!r}"
            problems.append(Problem("broken_text", name, message))
    return texts


def _home(path: str) -> str:
    """Return the folder of the voice that a file two levels below belongs to, as the prefix of its files."""
    return path[: -len("/".join(path.split("/")[-2:]))]


def _is_voice(folder: Path, name: str) -> bool:
    """Whether a folder called `name` is a voice: the recordings lie in `wav`."""
    if _VOICE.fullmatch(name) is None:
        return False
    waves = [place for place in subfolders(folder) if place.name.casefold() == "wav"]
    return any(_SENTENCE.fullmatch(file) for place in waves for file in file_names(place))


class Arctic(CorpusReader):
    """Reader of CMU ARCTIC: the folder given may be one voice, hold the voices, or lie above them.

    All speakers read the same prompts, so that each utterance names its `prompt`.
    """

    name = "arctic"
    layout = "cmu_us_<speaker>_arctic/wav/arctic_<a|b><number>.wav, such as cmu_us_bdl_arctic/wav/arctic_a0001.wav"
    example: ClassVar = {
        f"cmu_us_{speaker}_arctic/{path}": content
        for speaker in ("bdl", "slt")
        for path, content in (
            ("wav/arctic_a0001.wav", None),
            ("wav/arctic_b0002.wav", None),
            ("etc/txt.done.data", '( arctic_a0001 "Author of the danger trail." )\n( arctic_b0002 "He said no." )\n'),
        )
    }
    ignores_case = True
    published = PublishedCorpus("CMU ARCTIC", 16000, 18, {None: None})

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether a voice such as `cmu_us_bdl_arctic` is here, lies here, or in a folder named after the corpus."""
        inside = subfolders(root)
        below = [place for folder in inside if "arctic" in folder.name.casefold() for place in subfolders(folder)]
        return _is_voice(root, root.resolve().name) or any(_is_voice(place, place.name) for place in inside + below)

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings (`bdl_arctic_a0001`); sentences are named by the words of all speakers."""
        sentences = self._sentences = dict[str, str]()
        found = []
        for path in (path for path in files if is_audio(path)):
            match = self._match(_AUDIO, path)
            if match:
                speaker, sentence = match["speaker"].casefold(), match["id"].casefold()
                sentences[path] = sentence
                sex = SEXES.get(speaker, "unknown")
                found.append(AudioFile(f"{speaker}_{sentence}", path, speaker, sex))
        self._report_strangers([path for path in files if is_audio(path) and path not in sentences])
        self.report_speakers(found, SEXES, "the list of the 18 published speakers")
        self._texts = self._read_texts(files, sentences)
        self._prompts = Prompts((name, text) for own in self._texts.values() for name, text in own.items())
        return found

    def labels(self, item: AudioFile) -> Labels:
        """Return the sentence, and the prompt that all speakers share."""
        sentence = self._sentences[item.path]
        text = self._texts.get(_home(item.path), {}).get(sentence)
        return Labels(text, prompt=self._prompts.name(sentence, text))

    @cached_property
    def _name(self) -> str:
        return self.root.resolve().name

    def _match(self, pattern: re.Pattern[str], path: str) -> re.Match[str] | None:
        """Look for a pattern in a path; the folder's own name counts as part of it, since one voice may be given."""
        return pattern.search(f"{self._name}/{path}")

    def _report_strangers(self, paths: Iterable[str]) -> None:
        """Report audio outside the layout; other takes of a voice (synthesised prompts, raw takes) by folder."""
        strangers, others = [], Counter[str]()
        for path in paths:
            match = self._match(_INSIDE, path)
            if match and match["folder"].casefold() != "wav":
                others[path.rpartition("/")[0]] += 1
            else:
                strangers.append(path)
        self.report_unrecognised(strangers)
        for folder, number in sorted(others.items()):
            message = f"{folder}: {number} audio files beside the recordings in wav; left out"
            self.problems.append(Problem("unrecognised", folder, message))

    def _read_texts(self, files: Iterable[str], sentences: dict[str, str]) -> dict[str, dict[str, str]]:
        """Return folder of the voice -> sentence -> text; what is missing or does not meet is reported."""
        tables = {_home(path): path for path in files if self._match(_TEXTS, path)}
        recorded: dict[str, dict[str, str]] = {}
        for path, sentence in sentences.items():
            recorded.setdefault(_home(path), {})[sentence] = path
        texts = {}
        for home, paths in sorted(recorded.items()):
            if home not in tables:
                wanted = f"{home}etc/txt.done.data"
                message = f"{wanted}: missing; {len(paths)} utterances have no text"
                self.problems.append(Problem("missing_text", wanted, message))
                continue
            text = self.read_beside(tables[home])
            if text is None:
                continue
            texts[home] = parse_prompts(text, tables[home], self.problems)
            self._compare(tables[home], texts[home], paths)
        return texts

    def _compare(self, table: str, texts: dict[str, str], paths: dict[str, str]) -> None:
        """Add a problem for each sentence of a voice without a text or without audio."""
        self.problems += [
            Problem("missing_text", paths[name], f"{paths[name]}: has no line in {table}")
            for name in sorted(paths.keys() - texts.keys())
        ]
        self.problems += [
            Problem("text_without_audio", f"{_home(table)}wav/{name}.wav", f"{table}: there is no audio of {name}")
            for name in sorted(texts.keys() - paths.keys())
        ]

"""What every reader of a corpus does: read the headers, make ids unique, and name what has to be left out."""

from __future__ import annotations

import abc
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, cast

from sepvae import audio
from sepvae.corpora import CORPORA
from sepvae.corpora.listing import find_table
from sepvae.corpora.records import Interval, Problem, Sex, Utterance
from sepvae.errors import InputError
from sepvae.files import read_text
from sepvae.inputs import Tree
from sepvae.progress import counting

_LOGGER = logging.getLogger(__name__)

# Problems that stand for an audio file which became no utterance.
LEFT_OUT = frozenset({"broken", "empty", "unrecognised", "unreadable"})


@dataclass(frozen=True)
class AudioFile:
    """An audio file that a reader recognised by its name; `spares` are other copies, used when `path` is unreadable."""

    id: str
    path: str
    speaker: str
    sex: Sex = "unknown"
    split: str | None = None
    spares: tuple[str, ...] = ()
    dialect: str | None = None


@dataclass(frozen=True)
class Labels:
    """What the files beside the audio say: the sentence, words and phones with their places, the name of the prompt."""

    text: str | None = None
    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()
    prompt: str | None = None


@dataclass(frozen=True)
class PublishedCorpus:
    """What is known of a corpus as it was published, to compare a copy with; None where it is not.

    Only the splits named in `files` are counted; the split None is that of a corpus without splits.
    """

    title: str = ""
    sample_rate: int | None = None
    speakers: int | None = None
    files: Mapping[str | None, int | None] = field(default_factory=dict)


class CorpusReader(abc.ABC):
    """The reader of one layout, an entry of `CORPORA`: it says how the folder is recognised, and which files are what.

    `name` is its key there; `layout` says in words which files are expected, with an example. `example` is a tiny whole
    corpus of several speakers in this layout, from which its tests are made: path -> content of a text, None for a
    recording (0.2 s). `ignores_case` says that files in other letters, as some ways of copying leave them, are read
    too. Where `splits_share_speakers`, they part sentences: everyone who is tested also trains. `problems` collects
    what had to be left out while reading, so that nothing is lost silently.
    """

    name: str
    layout: str
    example: ClassVar[Mapping[str, str | None]]
    ignores_case: bool = False
    published: PublishedCorpus = PublishedCorpus()
    splits_share_speakers: bool = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []

    @classmethod
    @abc.abstractmethod
    def matches(cls, root: Path) -> bool:
        """Whether the folder looks like this corpus (cheap: looks at names only)."""

    @abc.abstractmethod
    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        """Return the recordings among the files of the folder (relative paths, sorted); what does not fit is a problem.

        What the other files say may be read here, to be handed out by `labels`.
        """

    def labels(self, item: AudioFile) -> Labels:
        """Return what is said of one recording."""
        del item
        return Labels()

    def utterances(self) -> Iterator[Utterance]:
        """Yield a record for each recording whose header can be read, sorted by id; the others become problems.

        Raises:
            InputError: not one utterance can be read.
        """
        self.problems.clear()
        n_read = 0
        found = self._with_unique_ids(self.find(self._files()))
        for item in counting("reading headers", found, unit="files"):
            opened = self._inspect(item)
            if opened is None:
                continue
            path, info = opened
            labels = self.labels(item)
            n_read += 1
            yield Utterance(
                item.id, path, item.speaker, item.sex, item.split, info.sample_rate, info.n_samples,
                text=labels.text, words=labels.words, phones=labels.phones, dialect=item.dialect,
                prompt=labels.prompt,
            )  # fmt: skip
        if n_read == 0:
            left_out = [problem for problem in self.problems if problem.code in LEFT_OUT]
            why = f" ({len(left_out)} audio files were left out, the first: {left_out[0].message})" if left_out else ""
            raise InputError(f"{self.root}: no utterances found, expected {self.layout}{why}")

    def _files(self) -> list[str]:
        """Return the visible files; a folder that cannot be listed is a problem, and the rest is said."""
        tree = Tree(self.root)
        files = tree.files()
        self.problems += [Problem("unreadable", *failure) for failure in tree.passed_over.failures()]
        if said := tree.passed_over.describe():
            _LOGGER.info("%s: passed over: %s", self.root, said)
        return files

    def _with_unique_ids(self, found: Iterable[AudioFile]) -> list[AudioFile]:
        """Sort by id; a second file of the same speaker and sentence stays in, under an id with a number."""
        first: dict[str, AudioFile] = {}
        for item in sorted(found, key=lambda item: (item.id, item.path)):
            name, number = item.id, 1
            while name in first:
                number += 1
                name = f"{item.id}.{number}"
            if number > 1:
                other = first[item.id].path
                message = f"{item.path}: same speaker and sentence as {other}; read under the id {name}"
                self.problems.append(Problem("duplicate_id", item.path, message))
            first[name] = replace(item, id=name)
        return [first[name] for name in sorted(first)]

    def _inspect(self, item: AudioFile) -> tuple[str, audio.AudioInfo] | None:
        for path in (item.path, *item.spares):
            try:
                info = audio.inspect(self.root / path)
            except InputError as error:
                self.problems.append(Problem("broken", path, str(error)))
                continue
            if info.n_samples > 0:
                return path, info
            self.problems.append(Problem("empty", path, f"{path}: holds no samples"))
        return None

    def read_beside(self, path: str) -> str | None:
        """Return the text of a file beside the audio, or None and a problem when it is not readable text."""
        try:
            return read_text(self.root / path)
        except InputError as error:
            self.problems.append(Problem("broken_text", path, str(error)))
            return None

    def read_speakers(self, files: Iterable[str], name: str, *, without: str) -> str | None:
        """Return the text of the table of speakers, or None and a problem that says what follows (`without`)."""
        path = find_table(self.root, files, name.casefold())
        if path is None:
            message = f"{name}: missing here and in the folders above; {without}"
            self.problems.append(Problem("missing_speaker_table", name, message))
            return None
        try:
            return read_text(path)
        except InputError as error:
            self.problems.append(Problem("broken_speaker_table", name, f"{error}; {without}"))
            return None

    def report_unrecognised(self, paths: Iterable[str]) -> None:
        """Add a problem for each audio file whose place or name does not fit the layout."""
        message = f"left out: expected {self.layout}"
        self.problems += [Problem("unrecognised", path, f"{path}: {message}") for path in paths]

    def report_speakers(
        self, found: Iterable[AudioFile], table: Mapping[str, Sex], name: str, *, complete: bool = False
    ) -> None:
        """Add problems for speakers without a row in the table, and with `complete` for rows without audio."""
        speakers = {item.speaker for item in found}
        self.problems += [
            Problem("unknown_speaker", speaker, f"{speaker}: has no row in {name}; the sex is not known")
            for speaker in sorted(speakers - table.keys())
        ]
        if complete:
            self.problems += [
                Problem("speaker_without_audio", speaker, f"{speaker}: in {name}, but has no audio here")
                for speaker in sorted(table.keys() - speakers)
            ]


def corpus_class(name: str) -> type[CorpusReader]:
    """Return the reader behind a name of the table; ConfigError names the choices."""
    return cast("type[CorpusReader]", CORPORA.resolve(name))

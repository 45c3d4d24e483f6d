"""The record of one utterance, and the closed table of corpora that yield such records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from sepvae.corpora import CORPORA
from sepvae.errors import InputError
from sepvae.files import check_folder

Sex = Literal["female", "male", "unknown"]


def plain_words(text: str) -> str:
    """Return the words of a text in lower case without punctuation: what two spellings of a sentence share.

    Example:
        >>> plain_words("She  had your dark suit.")
        'she had your dark suit'
    """
    return " ".join(re.findall(r"[\w']+", text.lower()))


@dataclass(frozen=True)
class Interval:
    """A labelled stretch of an utterance: samples [start, stop) of its file, and a word or phone."""

    start: int
    stop: int
    label: str


@dataclass(frozen=True)
class Utterance:
    """One recorded utterance.

    `id` is unique in its corpus and made of speaker and sentence; `path` is relative to the corpus root, with
    forward slashes; `split` is `train`, `test`, another name the corpus uses, or None when it has no splits;
    `dialect` is the region where the speaker grew up (TIMIT: `1` to `8`), None where the corpus does not say; `prompt`
    names the sentence in a corpus whose speakers read the same ones. It is no transcript, and there may be none.
    """

    id: str
    path: str
    speaker: str
    sex: Sex
    split: str | None
    sample_rate: int
    n_samples: int
    text: str | None = None
    words: tuple[Interval, ...] = field(default=())
    phones: tuple[Interval, ...] = field(default=())
    dialect: str | None = None
    prompt: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Utterance:
        """Return the utterance that `dataclasses.asdict` made into a JSON record."""
        intervals = {key: tuple(Interval(**item) for item in record[key]) for key in ("words", "phones")}
        return cls(**{**record, **intervals})


@dataclass(frozen=True)
class Problem:
    """Something wrong with a corpus: a machine-readable code, the file or item, and a sentence."""

    code: str
    item: str
    message: str


class Corpus(Protocol):
    """A corpus on disk; `problems` collects what had to be left out while reading, so that nothing is lost silently.

    `name` is the key in `CORPORA`; `layout` says in words which files are expected, with an example.
    """

    name: str
    layout: str
    root: Path
    problems: list[Problem]

    def __init__(self, root: Path) -> None: ...

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether the folder looks like this corpus (cheap: looks at names only)."""
        ...

    def utterances(self) -> Iterator[Utterance]:
        """Yield the records in a fixed order (sorted by id), skipping and reporting unreadable files."""
        ...


def corpus_class(name: str) -> type[Corpus]:
    """Return the class behind a name of the table; ConfigError names the choices."""
    return cast("type[Corpus]", CORPORA.resolve(name))


def open_corpus(root: str | Path, kind: str | None = None) -> Corpus:
    """Open the corpus in the folder `root`.

    Args:
        root: folder of the corpus.
        kind: a name of `CORPORA`; recognised from the layout when None.

    Raises:
        InputError: the folder is missing or empty of anything the readers know.
        ConfigError: `kind` is unknown.
    """
    folder = Path(root)
    if kind is not None:
        reader = corpus_class(kind)
    check_folder(folder, advice="give the folder of a corpus, or make one with 'sepvae corpus demo DIR'")
    if kind is None:
        for name in CORPORA:
            reader = corpus_class(name)
            if reader.matches(folder):
                break
        else:
            layouts = "".join(f"\n  {name}: {corpus_class(name).layout}" for name in CORPORA)
            raise InputError(f"{folder}: no known corpus layout found, expected one of{layouts}")
    return reader(folder)

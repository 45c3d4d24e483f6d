"""The record of one utterance, and corpora on disk that yield such records."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from sepvae.corpora import CORPORA
from sepvae.errors import InputError
from sepvae.files import check_folder

_LOGGER = logging.getLogger(__name__)
# Codes of audio that is there and was lost.
_LOST = frozenset({"broken", "empty", "unreadable"})
# Problems of a corpus that are named one by one.
_NAMED = 10

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
    """Speech on disk as utterances; `problems` collects what had to be left out, so that nothing is lost silently."""

    name: str
    root: Path
    problems: list[Problem]

    def utterances(self) -> Iterator[Utterance]:
        """Yield the records in a fixed order (sorted by id), skipping and reporting what cannot be read."""
        ...


def open_corpus(root: str | Path, layout: str | None = None) -> Corpus:
    """Open the corpus in the folder `root`.

    Args:
        root: folder of the corpus.
        layout: a name of `CORPORA`; recognised when None, those of plug-ins before sepvae's own.

    Raises:
        InputError: the folder is missing or empty of anything the readers know.
        ConfigError: `layout` is unknown.
    """
    folder = Path(root)
    if layout is not None:
        CORPORA.check(layout)
    check_folder(folder, advice="give the folder of a corpus, or make one with 'sepvae corpus demo DIR'")
    # Somebody's own layout would be taken for a folder of speakers, which nearly anything is.
    order = sorted(CORPORA, key=lambda name: CORPORA.provider(name) is None)
    name = layout or next((name for name in order if CORPORA.resolve(name).matches(folder)), None)
    if name is None:
        layouts = "".join(f"\n  {name}: {CORPORA.resolve(name).layout}" for name in CORPORA)
        raise InputError(f"{folder}: no known corpus layout found, expected one of{layouts}")
    corpus: Corpus = CORPORA.resolve(name)(folder)
    return corpus


def read_all(corpus: Corpus) -> list[Utterance]:
    """Read all utterances of a corpus, and warn of its problems.

    Raises:
        InputError: there is not one utterance.
    """
    utterances = list(corpus.utterances())
    warn_of(corpus.problems, corpus.root)
    return utterances


def has_lost(problems: Sequence[Problem]) -> bool:
    """Whether something that is there could not be read: what was asked for is then not all done."""
    return any(problem.code in _LOST for problem in problems)


def refuse_unreadable(problems: Sequence[Problem], root: Path) -> None:
    """Raise InputError for folders that cannot be listed, before work that lasts is done without what is in them."""
    if unread := [problem.message for problem in problems if problem.code == "unreadable"]:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        raise InputError(f"{root}: not all of it can be read: {unread[0]}{more}")


def warn_of(problems: Sequence[Problem], root: Path) -> None:
    """Log what is wrong with a corpus: the first problems by name, and how many more there are."""
    for problem in problems[:_NAMED]:
        _LOGGER.warning("%s", problem.message)
    if len(problems) > _NAMED:
        _LOGGER.warning("%s: %d more problems: 'sepvae corpus list' names them all", root, len(problems) - _NAMED)

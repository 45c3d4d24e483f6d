"""The records of augmented speech and of what could not be made, and labels that follow a change of duration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sepvae.augmented.journal import loaded, scan_lines
from sepvae.corpora.records import Interval
from sepvae.inputs import name_bytes

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Record:
    """One augmented utterance: what it is, what made it, and where it lies.

    `utterance` and `source` are the id and the path of the original; `parameters` are, for each augmentation of the
    chain, what replays it; `scaled_by` is what kept the samples below full scale. `path` is relative to the folder of
    the run, and `offset` the place in an ark file. Features have `n_frames`, one each `hop_samples`; the middle
    of frame k is sample `first_frame_centre + k * hop_samples`, for log_mel and decoded features alike. Labels are
    samples of the new audio.
    """

    id: str
    utterance: str
    source: str
    method: str
    copy: int
    seed: int
    parameters: tuple[dict[str, Any], ...]
    speaker: str
    sex: str
    split: str | None
    sample_rate: int
    n_samples: int
    n_channels: int
    text: str | None = None
    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()
    dialect: str | None = None
    prompt: str | None = None
    scaled_by: float = 1.0
    model: str | None = None
    path: str = ""
    offset: int | None = None
    n_frames: int | None = None
    hop_samples: int | None = None
    first_frame_centre: int | None = None
    sha256: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate

    @property
    def target(self) -> dict[str, Any] | None:
        """The utterance that something was taken from, if any."""
        return next((step["target"] for step in self.parameters if step.get("target")), None)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON value."""
        value = {name: getattr(self, name) for name in self.__dataclass_fields__}
        labels = {tier: [vars(label) for label in getattr(self, tier)] for tier in ("words", "phones")}
        return {**value, **labels, "parameters": list(self.parameters), "target": self.target}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Return the record that `to_json` made a value of; ValueError or AttributeError when it is none."""
        return _form().validate_python({name: item for name, item in value.items() if name != "target"})


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


@dataclass(frozen=True)
class Failure:
    """A file, an utterance or a record that could not be made: a code for programs, and a sentence.

    Paths in the sentence are relative to the corpus, so that it is the same wherever that lies.
    """

    code: str
    item: str
    message: str
    record: str | None = None


def within(message: str, *roots: str | Path) -> str:
    """Return a message with paths relative to the corpus, whose folder may have been given in several ways.

    Example:
        >>> within("data/c/a/1.wav: truncated (data/c/a/1.wav)", "/mnt/data/c", "data/c")
        'a/1.wav: truncated (a/1.wav)'
    """
    for folder in (re.escape(str(root)) for root in roots if str(root) != "."):
        # Only where a path begins: `c/` is also the end of other folders.
        message = re.sub(rf"(?<![\w./\\-]){folder}[/\\]", "", message)
    return message


def record_id(utterance: str, method: str, copy: int) -> str:
    """Return the id of a record.

    Example:
        >>> record_id("FCJF0_SA1", "noise", 2)
        'FCJF0_SA1-noise-2'
    """
    return f"{utterance}-{method}-{copy}"


def scale_labels(labels: Sequence[Interval], scale: float, n_samples: int) -> tuple[Interval, ...]:
    """Return labels in a recording `scale` times as long, none of them past its `n_samples`.

    Example:
        >>> scale_labels([Interval(0, 100, "h#"), Interval(100, 202, "sh")], 0.5, 100)
        (Interval(start=0, stop=50, label='h#'), Interval(start=50, stop=100, label='sh'))
    """
    scaled = []
    for label in labels:
        start, stop = min(round(label.start * scale), n_samples), min(round(label.stop * scale), n_samples)
        scaled.append(replace(label, start=start, stop=stop))
    return tuple(scaled)


def safe_name(text: str) -> str:
    """Return an id as a name of a file and a key of Kaldi: other than letters, digits and `_+=@,.-` become `%XX`.

    What is no UTF-8 in the name of a file becomes the bytes that it is there.

    Example:
        >>> safe_name("anna b/1")
        'anna%20b%2F1'
    """
    plain = re.sub(r"[^\w+=@,.-]", lambda match: "".join(f"%{byte:02X}" for byte in name_bytes(match[0])), text)
    return f"%2E{plain[1:]}" if plain.startswith(".") else plain


def read_records(folder: Path) -> Iterator[Record]:
    """Yield the records of a finished run; InputError when they are damaged."""
    path = folder / RECORDS
    for _, line in scan_lines(path):
        yield loaded(Record.from_json, line, path)

"""Lhotse's manifests: recordings, supervisions with alignments, and cuts, as JSON objects and as gzipped JSONL."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sepvae.augmentation.records import Record
from sepvae.corpora.records import Interval
from sepvae.files import atomic_file, to_json

_SEXES = {"female": "female", "male": "male"}


def _channels(record: Record) -> list[int]:
    return list(range(record.n_channels))


def recording(record: Record, source: str, kind: str = "file") -> dict[str, Any]:
    """Return a Recording whose samples are in one file."""
    return {
        "id": record.id,
        "sources": [{"type": kind, "channels": _channels(record), "source": source}],
        "sampling_rate": record.sample_rate,
        "num_samples": record.n_samples,
        "duration": record.duration_s,
        "channel_ids": _channels(record),
    }


def _alignment(labels: Sequence[Interval], rate: int) -> list[list[Any]]:
    return [
        [label.label, round(label.start / rate, 8), round((label.stop - label.start) / rate, 8), None]
        for label in labels
    ]


def supervision(record: Record) -> dict[str, Any]:
    """Return the SupervisionSegment of a whole record: text, speaker, gender, words, phones, and what made it."""
    channels = _channels(record)
    value: dict[str, Any] = {
        "id": record.id,
        "recording_id": record.id,
        "start": 0.0,
        "duration": record.duration_s,
        "channel": channels[0] if len(channels) == 1 else channels,
        "speaker": record.speaker,
        "custom": _custom(record),
    }
    if record.text is not None:
        value["text"] = record.text
    if record.sex in _SEXES:
        value["gender"] = _SEXES[record.sex]
    tiers = {"word": record.words, "phone": record.phones}
    alignment = {tier: _alignment(labels, record.sample_rate) for tier, labels in tiers.items() if labels}
    return {**value, "alignment": alignment} if alignment else value


def _custom(record: Record) -> dict[str, Any]:
    custom = {
        "utterance": record.utterance,
        "method": record.method,
        "copy": record.copy,
        "seed": str(record.seed),
        "parameters": list(record.parameters),
        "split": record.split,
        "target": record.target,
        "model": record.model,
    }
    return {name: value for name, value in custom.items() if value is not None}


def cut(record: Record, own: dict[str, Any]) -> dict[str, Any]:
    """Return a cut of a whole recording, given as a JSON value."""
    channels = _channels(record)
    return {
        "id": record.id,
        "start": 0.0,
        "duration": record.duration_s,
        "channel": channels[0] if len(channels) == 1 else channels,
        "supervisions": [supervision(record)],
        "recording": own,
        "type": "MonoCut" if len(channels) == 1 else "MultiCut",
    }


def shar_recording(record: Record) -> dict[str, Any]:
    """Return the Recording in a tar file of Shar: its samples are the member before it."""
    return recording(record, "", "shar")


def shar_cut(record: Record) -> dict[str, Any]:
    """Return the cut in `cuts.*.jsonl.gz` of Shar."""
    return cut(record, shar_recording(record))


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write gzipped JSONL whose bytes hold nothing of the clock."""
    with (
        atomic_file(path) as part,
        part.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
    ):
        for value in values:
            packed.write((to_json(value) + "\n").encode("utf-8", "backslashreplace"))


def write_lhotse(folder: Path, records: Callable[[], Iterator[Record]], place: Callable[[str], str]) -> None:
    """Write `recordings.jsonl.gz`, `supervisions.jsonl.gz` and `cuts.jsonl.gz` of audio files.

    Args:
        folder: where.
        records: returns the records anew each time.
        place: returns how a path of a record is to be written.
    """
    write_lines(folder / "recordings.jsonl.gz", (recording(one, place(one.path)) for one in records()))
    write_lines(folder / "supervisions.jsonl.gz", (supervision(one) for one in records()))
    write_lines(folder / "cuts.jsonl.gz", (cut(one, recording(one, place(one.path))) for one in records()))

"""Lhotse's manifests: recordings, supervisions with alignments, and cuts, as JSON objects and as gzipped JSONL."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from sepvae.augmented.records import Record, safe_name
from sepvae.corpora.records import Interval
from sepvae.files import atomic_file, to_json

_SEXES = ("female", "male")
# Half the time of level 9, for a hundredth of the size.
_LEVEL = 6


def _channels(record: Record) -> list[int]:
    return list(range(record.n_channels))


def _cut_channels(record: Record, field: str) -> list[int]:
    """Return the channels of a cut, which its supervision has to share: features are of one."""
    return _channels(record) if field == "recording" else [0]


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


def supervision(record: Record, field: str = "recording") -> dict[str, Any]:
    """Return the SupervisionSegment of a whole record: text, speaker, gender, words, phones, and what made it."""
    channels = _cut_channels(record, field)
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
        value["gender"] = record.sex
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
        "first_frame_centre": record.first_frame_centre,
    }
    return {name: value for name, value in custom.items() if value is not None}


def features(record: Record, n_features: int) -> dict[str, Any]:
    """Return the Features in a tar file of Shar: frames may end after the samples, by less than two hops."""
    hop_s = (record.hop_samples or 0) / record.sample_rate
    n_frames = record.n_frames or 0
    return {
        "type": "log_mel",
        "num_frames": n_frames,
        "num_features": n_features,
        "frame_shift": hop_s,
        "sampling_rate": record.sample_rate,
        "start": 0,
        "duration": round(n_frames * hop_s, 8),
        "storage_type": "shar",
        "storage_path": "",
        "storage_key": "",
        "recording_id": record.id,
        "channels": 0,
    }


def cut_line(record: Record, field: str, own_line: str, supervision_line: str) -> str:
    """Return the cut of a whole record as JSON, around the JSON of its `recording` or `features`."""
    channels = _cut_channels(record, field)
    kind, channel = ("MonoCut", "0") if len(channels) == 1 else ("MultiCut", to_json(channels))
    return (
        f'{{"channel": {channel}, "duration": {to_json(record.duration_s)}, "id": {to_json(record.id)}, '
        f'"{field}": {own_line}, "start": 0.0, "supervisions": [{supervision_line}], "type": "{kind}"}}'
    )


def shar_key(record: Record) -> str:
    """Return the name of a record in a tar file of Shar, by which it is found: the id of its cut too."""
    return safe_name(record.id)


def shar_lines(record: Record, *, n_features: int | None = None) -> tuple[str, str]:
    """Return what describes a member of a tar file of Shar, which lies before it, and the cut in its table.

    Args:
        record: what the member is.
        n_features: of a frame, where the member holds no samples.
    """
    record = replace(record, id=shar_key(record))
    field = "recording" if n_features is None else "features"
    own = to_json(recording(record, "", "shar") if n_features is None else features(record, n_features))
    return own, cut_line(record, field, own, to_json(supervision(record, field)))


class PackedLines:
    """Gzipped JSONL whose bytes hold nothing of the clock."""

    def __init__(self, file: IO[bytes]) -> None:
        self._packed = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0)

    def write(self, line: str) -> None:
        """Write a line, given without its end."""
        self._packed.write(f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Write what is left; the file below stays open."""
        self._packed.close()


@contextmanager
def packed_lines(path: Path, *, durable: bool = True) -> Iterator[PackedLines]:
    """Open gzipped JSONL that appears under its name when the block succeeds; `durable` as in `atomic_file`."""
    with atomic_file(path, durable=durable) as part, part.open("wb") as file, closing(PackedLines(file)) as lines:
        yield lines


@contextmanager
def lhotse(folder: Path, place: Callable[[str], str]) -> Iterator[Callable[[Record], None]]:
    """Yield what takes the records of audio files, and writes recordings, supervisions and cuts (`….jsonl.gz`).

    Args:
        folder: where.
        place: returns how a path of a record is to be written.
    """
    with (
        packed_lines(folder / "recordings.jsonl.gz") as recordings,
        packed_lines(folder / "supervisions.jsonl.gz") as supervisions,
        packed_lines(folder / "cuts.jsonl.gz") as cuts,
    ):

        def add(record: Record) -> None:
            own, labels = to_json(recording(record, place(record.path))), to_json(supervision(record))
            recordings.write(own)
            supervisions.write(labels)
            cuts.write(cut_line(record, "recording", own, labels))

        yield add

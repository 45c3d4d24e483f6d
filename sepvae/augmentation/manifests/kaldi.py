"""A Kaldi data folder: wav.scp or feats.scp, text, utt2spk, spk2utt, spk2gender, utt2dur and reco2dur."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sepvae.augmentation.records import Record
from sepvae.augmentation.writers.contract import safe_name
from sepvae.files import atomic_file

_SEXES = {"female": "f", "male": "m"}


def kaldi_speaker(record: Record) -> str:
    """Return the speaker as a key without white space."""
    return safe_name(record.speaker)


def kaldi_id(record: Record) -> str:
    """Return the id as a key that begins with its speaker: Kaldi wants both sorted alike."""
    name, speaker = safe_name(record.id), kaldi_speaker(record)
    return name if name.startswith(speaker) else f"{speaker}-{name}"


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_file(path) as part, part.open("wb") as file:
        file.writelines(f"{line}\n".encode("utf-8", "backslashreplace") for line in lines)


def write_kaldi(folder: Path, records: Callable[[], Iterator[Record]], place: Callable[[str], str]) -> None:
    """Write the folder, every file sorted by key in the C locale.

    Args:
        folder: where.
        records: returns the records anew each time.
        place: returns how a path of a record is to be written.
    """
    tables: dict[str, list[tuple[str, str]]] = {name: [] for name in ("utt2spk", "text", "utt2dur", "utt2num_frames")}
    where: list[tuple[str, str]] = []
    speakers: dict[str, list[str]] = {}
    sexes: dict[str, str] = {}
    features = False
    for record in records():
        key, speaker = kaldi_id(record), kaldi_speaker(record)
        tables["utt2spk"].append((key, speaker))
        tables["utt2dur"].append((key, f"{record.duration_s:.6f}"))
        if record.text is not None:
            tables["text"].append((key, " ".join(record.text.split())))
        if record.n_frames is not None:
            features = True
            tables["utt2num_frames"].append((key, str(record.n_frames)))
        if record.path.endswith((".wav", ".flac", ".ark")):
            where.append((key, place(record.path) + (f":{record.offset}" if record.offset is not None else "")))
        speakers.setdefault(speaker, []).append(key)
        if record.sex in _SEXES:
            sexes[speaker] = _SEXES[record.sex]
    if where:
        tables["feats.scp" if features else "wav.scp"] = where
    tables["reco2dur"] = [] if features else tables["utt2dur"]
    tables["spk2gender"] = list(sexes.items())
    tables["spk2utt"] = [(speaker, " ".join(sorted(own, key=str.encode))) for speaker, own in speakers.items()]
    for name, rows in tables.items():
        if rows:
            _write(folder / name, (f"{key} {value}" for key, value in sorted(rows, key=lambda row: row[0].encode())))

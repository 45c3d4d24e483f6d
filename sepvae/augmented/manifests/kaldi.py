"""A Kaldi data folder: wav.scp or feats.scp, text, utt2spk, spk2utt, spk2gender, utt2dur and reco2dur."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sepvae.augmented.records import Record, safe_name
from sepvae.files import atomic_file

_SEXES = {"female": "f", "male": "m"}
# Files that Kaldi can be pointed to.
_READABLE = (".wav", ".flac", ".ark")
# Sorts before all that can follow in a longer name of a speaker, so that keys sort as their speakers do.
_AFTER_SPEAKER = "--"


def kaldi_speaker(record: Record) -> str:
    """Return the speaker as a key: letters, digits, `_@.` and single inner hyphens stay, all else becomes `=XX`.

    What sorts before a hyphen, `%` too, would put the utterances of a longer name among those of a shorter one.
    """
    low = re.sub(r"[+,=]|-(?=-|$)", lambda match: f"%{ord(match[0]):02X}", safe_name(record.speaker))
    return low.replace("%", "=")


def kaldi_id(record: Record) -> str:
    """Return the id as a key of its own that begins with its speaker: Kaldi wants both sorted alike."""
    return f"{kaldi_speaker(record)}{_AFTER_SPEAKER}{safe_name(record.id)}"


def _source(path: str, offset: int | None) -> str:
    """Return what Kaldi reads: a file, a place in an archive, or a command, for it decodes no FLAC itself."""
    if path.endswith(".flac"):
        return f"flac -c -d -s {shlex.quote(path)} |"
    return path if offset is None else f"{path}:{offset}"


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_file(path) as part, part.open("wb") as file:
        file.writelines(f"{line}\n".encode("utf-8", "backslashreplace") for line in lines)


@contextmanager
def kaldi(folder: Path, place: Callable[[str], str]) -> Iterator[Callable[[Record], None]]:
    """Yield what takes the records one by one; the folder is written at the end, sorted by key in the C locale.

    Records in files that Kaldi cannot read, tar files and those of NumPy, are passed over: without wav.scp or feats.scp
    there is no folder.

    Args:
        folder: where.
        place: returns how a path of a record is to be written.
    """
    tables: dict[str, list[tuple[str, str]]] = {name: [] for name in ("utt2spk", "text", "utt2dur", "utt2num_frames")}
    where: list[tuple[str, str]] = []
    sexes: dict[str, str] = {}

    def add(record: Record) -> None:
        if not record.path.endswith(_READABLE):
            return
        key, speaker = kaldi_id(record), kaldi_speaker(record)
        tables["utt2spk"].append((key, speaker))
        tables["utt2dur"].append((key, f"{record.duration_s:.6f}"))
        if record.text is not None:
            tables["text"].append((key, " ".join(record.text.split())))
        if record.n_frames is not None:
            tables["utt2num_frames"].append((key, str(record.n_frames)))
        where.append((key, _source(place(record.path), record.offset)))
        if record.sex in _SEXES:
            sexes[speaker] = _SEXES[record.sex]

    yield add
    features = bool(tables["utt2num_frames"])
    tables["feats.scp" if features else "wav.scp"] = where
    tables["reco2dur"] = [] if features else tables["utt2dur"]
    tables["spk2gender"] = list(sexes.items())
    for rows in tables.values():
        rows.sort(key=lambda row: row[0].encode())
    speakers: dict[str, list[str]] = {}
    for key, speaker in tables["utt2spk"]:
        speakers.setdefault(speaker, []).append(key)
    tables["spk2utt"] = sorted(((one, " ".join(own)) for one, own in speakers.items()), key=lambda row: row[0].encode())
    for name, rows in tables.items():
        if rows:
            _write(folder / name, (f"{key} {value}" for key, value in rows))

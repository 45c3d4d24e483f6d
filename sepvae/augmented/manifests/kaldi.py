"""A Kaldi data folder: wav.scp or feats.scp, text, utt2spk, spk2utt, spk2gender, utt2dur and reco2dur.

Kaldi's checks (`utils/validate_data_dir.sh`, `utils/validate_text.pl`) and Lhotse want every table to have all
utterances or all speakers, or not to be there.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sepvae.augmented.records import Record, safe_name
from sepvae.files import atomic_file, remove

_LOGGER = logging.getLogger(__name__)

V = TypeVar("V")

# The data folder of the utterances with text, where not all have one.
TRANSCRIBED = "transcribed"
_SEXES = {"female": "f", "male": "m"}
# Files that Kaldi can be pointed to.
_READABLE = (".wav", ".flac", ".ark")
# Sorts before all that can follow in a longer name of a speaker, so that keys sort as their speakers do.
_AFTER_SPEAKER = "--"
# Words that Kaldi keeps for itself, where no letter, digit or _ of ASCII touches them; and their first character, which
# becomes the full-width one.
_RESERVED = re.compile(r"(?<!\w)(<s>|</s>|#0)(?!\w)", re.ASCII)
_FULL_WIDTH = {"<": "＜", "#": "＃"}


@dataclass(frozen=True, slots=True)
class _Utterance:
    """What the tables have of a record."""

    key: str
    speaker: str
    sex: str | None
    text: str
    duration: str
    n_frames: int | None
    source: str


def kaldi_speaker(record: Record) -> str:
    """Return the speaker as a key: letters, digits, `_@.` and single inner hyphens stay, all else becomes `=XX`.

    What sorts before a hyphen, `%` too, would put the utterances of a longer name among those of a shorter one.
    """
    low = re.sub(r"[+,=]|-(?=-|$)", lambda match: f"%{ord(match[0]):02X}", safe_name(record.speaker))
    return low.replace("%", "=")


def kaldi_id(record: Record) -> str:
    """Return the id as a key of its own that begins with its speaker: Kaldi wants both sorted alike."""
    return f"{kaldi_speaker(record)}{_AFTER_SPEAKER}{safe_name(record.id)}"


def kaldi_text(record: Record) -> str:
    """Return the text in one line of single spaces; empty where there is none.

    The words `<s>`, `</s>` and `#0`, which Kaldi refuses, begin with the full-width character in place of their first.
    """
    line = " ".join((record.text or "").split())
    return _RESERVED.sub(lambda match: _FULL_WIDTH[match[0][0]] + match[0][1:], line)


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
    there is no folder. Where only some utterances have a text, there is no `text`, and the folder `transcribed` in this
    one is a whole data folder of those that have. Where the sex of a speaker is not known, there is no `spk2gender`.

    Args:
        folder: where.
        place: returns how a path of a record is to be written.
    """
    found = list[_Utterance]()

    def add(record: Record) -> None:
        if record.path.endswith(_READABLE):
            found.append(
                _Utterance(
                    key=kaldi_id(record),
                    speaker=kaldi_speaker(record),
                    sex=_SEXES.get(record.sex),
                    text=kaldi_text(record),
                    duration=f"{record.duration_s:.6f}",
                    n_frames=record.n_frames,
                    source=_source(place(record.path), record.offset),
                )
            )

    yield add
    found.sort(key=lambda one: one.key.encode("utf-8", "backslashreplace"))
    told = [one for one in found if one.text]
    for name in ("text", "spk2gender"):
        (folder / name).unlink(missing_ok=True)
    remove(folder / TRANSCRIBED)
    _write_folder(folder, found)
    known = {one.speaker for one in found if one.sex is not None}
    if known and (lacking := {one.speaker for one in found} - known):
        text = "%s: there is no spk2gender, for the sex of %d of %d speakers is not known"
        _LOGGER.warning(text, folder, len(lacking), len(lacking | known))
    if told and len(told) < len(found):
        _write_folder(folder / TRANSCRIBED, told)
        text = "%s: %d of %d records have no text: those that have one are the data folder %s in it"
        _LOGGER.warning(text, folder, len(found) - len(told), len(found), TRANSCRIBED)


def _write_folder(folder: Path, utterances: list[_Utterance]) -> None:
    """Write the tables of some utterances, sorted by their keys."""
    for name, rows in _tables(utterances).items():
        if rows:
            _write(folder / name, (f"{key} {value}" for key, value in rows.items()))


def _tables(utterances: list[_Utterance]) -> dict[str, Mapping[str, str]]:
    """Return the tables by name, each with all utterances or speakers, or empty."""
    features = any(one.n_frames is not None for one in utterances)
    speakers: dict[str, list[str]] = {}
    for one in utterances:
        speakers.setdefault(one.speaker, []).append(one.key)
    sexes = {one.speaker: one.sex for one in utterances if one.sex is not None}
    durations = {one.key: one.duration for one in utterances}
    texts = {one.key: one.text for one in utterances if one.text}
    return {
        "feats.scp" if features else "wav.scp": {one.key: one.source for one in utterances},
        "utt2spk": {one.key: one.speaker for one in utterances},
        "spk2utt": {speaker: " ".join(keys) for speaker, keys in _sorted(speakers).items()},
        "spk2gender": _sorted(sexes) if sexes.keys() == speakers.keys() else {},
        "text": texts if len(texts) == len(utterances) else {},
        "utt2dur": durations,
        "reco2dur": {} if features else durations,
        "utt2num_frames": {one.key: str(one.n_frames) for one in utterances} if features else {},
    }


def _sorted(table: Mapping[str, V]) -> dict[str, V]:
    return {key: table[key] for key in sorted(table, key=lambda key: key.encode("utf-8", "backslashreplace"))}

"""What every reader of a corpus does: list the files, read the headers, make ids unique, say what was expected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sepvae import audio
from sepvae.corpora.records import Interval, Problem, Sex, Utterance
from sepvae.errors import InputError
from sepvae.files import read_text

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".sph")
# Problems that stand for an audio file which became no utterance.
LEFT_OUT = frozenset({"broken", "empty", "unrecognised"})


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


def walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder under `root`, as the relative prefix of its files (`` or `a/b/`), and the names of its files.

    Names that start with a dot (hidden files, what copying from a Mac leaves) are passed over. Links to folders are
    followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            inside.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        place = os.path.relpath(folder, root).replace(os.sep, "/")
        yield "" if place == "." else place + "/", [name for name in names if not name.startswith(".")]


def list_files(root: Path) -> list[str]:
    """Return the visible files under `root` as sorted relative paths with forward slashes."""
    return sorted(prefix + name for prefix, names in walk(root) for name in names)


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders directly in `folder`, sorted by name; none when it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    return [folder / name for name in names]


def file_names(folder: Path) -> list[str]:
    """Return the names of the visible files directly in `folder`; none when it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
    except OSError:
        return []


def is_audio(path: str) -> bool:
    """Whether a name ends like an audio file that the readers take."""
    return path.casefold().endswith(AUDIO_ENDINGS)


def find_table(root: Path, files: Iterable[str], name: str) -> Path | None:
    """Return the file called `name` (any letter case) in the corpus, or in the two folders above it and their `doc`.

    The folders above are looked at because a user may give one subset of a corpus.
    """
    for path in files:
        if path.rpartition("/")[2].casefold() == name:
            return root / path
    above = root.resolve().parents[:2]
    for folder in [place for up in above for place in (up, up / "DOC", up / "doc")]:
        if folder.is_dir():
            for entry in sorted(folder.iterdir()):
                if entry.name.casefold() == name and entry.is_file():
                    return entry
    return None


def read_speaker_table(
    root: Path, files: Iterable[str], name: str, problems: list[Problem], *, without: str
) -> str | None:
    """Return the text of the corpus's table of speakers, or None and a problem that says what follows (`without`)."""
    path = find_table(root, files, name.casefold())
    if path is None:
        message = f"{name}: missing here and in the folders above; {without}"
        problems.append(Problem("missing_speaker_table", name, message))
        return None
    try:
        return read_text(path)
    except InputError as error:
        problems.append(Problem("broken_speaker_table", name, f"{error}; {without}"))
        return None


def read_beside(root: Path, path: str, problems: list[Problem]) -> str | None:
    """Return the text of a file beside the audio, or None and a problem `broken_text` when it is not readable text."""
    try:
        return read_text(root / path).removeprefix("\ufeff")
    except InputError as error:
        problems.append(Problem("broken_text", path, str(error)))
        return None


def report_unrecognised(paths: Iterable[str], expected: str, problems: list[Problem]) -> None:
    """Add a problem for each audio file whose place or name does not fit the layout."""
    problems += [Problem("unrecognised", path, f"{path}: left out: expected {expected}") for path in paths]


def report_speakers(
    found: Iterable[AudioFile], table: Mapping[str, Sex], name: str, problems: list[Problem], *, complete: bool = False
) -> None:
    """Add problems for speakers without a row in the table, and with `complete` for rows without audio."""
    speakers = {item.speaker for item in found}
    problems += [
        Problem("unknown_speaker", speaker, f"{speaker}: has no row in {name}; the sex is not known")
        for speaker in sorted(speakers - table.keys())
    ]
    if complete:
        problems += [
            Problem("speaker_without_audio", speaker, f"{speaker}: in {name}, but has no audio here")
            for speaker in sorted(table.keys() - speakers)
        ]


def _with_unique_ids(found: Iterable[AudioFile], problems: list[Problem]) -> list[AudioFile]:
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
            problems.append(Problem("duplicate_id", item.path, message))
        first[name] = replace(item, id=name)
    return [first[name] for name in sorted(first)]


def _inspect(root: Path, item: AudioFile, problems: list[Problem]) -> tuple[str, audio.AudioInfo] | None:
    for path in (item.path, *item.spares):
        try:
            info = audio.inspect(root / path)
        except InputError as error:
            problems.append(Problem("broken", path, str(error)))
            continue
        if info.n_samples > 0:
            return path, info
        problems.append(Problem("empty", path, f"{path}: holds no samples"))
    return None


def read_utterances(
    root: Path,
    found: Iterable[AudioFile],
    problems: list[Problem],
    *,
    labels: Callable[[AudioFile], Labels],
    expected: str,
) -> Iterator[Utterance]:
    """Yield a record for each audio file whose header can be read, sorted by id; the others become problems.

    Args:
        root: the corpus.
        found: the audio files that the layout names.
        problems: receives what is wrong, in the order of reading.
        labels: returns the labels of one utterance.
        expected: the layout in words, for the error.

    Raises:
        InputError: not one utterance can be read.
    """
    n_read = 0
    for item in _with_unique_ids(found, problems):
        opened = _inspect(root, item, problems)
        if opened is None:
            continue
        path, info = opened
        beside = labels(item)
        n_read += 1
        yield Utterance(
            item.id, path, item.speaker, item.sex, item.split, info.sample_rate, info.n_samples,
            text=beside.text, words=beside.words, phones=beside.phones, dialect=item.dialect,
            prompt=beside.prompt,
        )  # fmt: skip
    if n_read == 0:
        left_out = [problem for problem in problems if problem.code in LEFT_OUT]
        why = f" ({len(left_out)} audio files were left out, the first: {left_out[0].message})" if left_out else ""
        raise InputError(f"{root}: no utterances found, expected {expected}{why}")

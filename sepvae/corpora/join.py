"""Several corpora as one: a folder of speakers with links to their recordings, to be read by the layout `folder`."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sepvae.corpora.records import Corpus, Sex, Utterance, read_all, refuse_unreadable
from sepvae.errors import ConfigError, InputError
from sepvae.files import atomic_folder, write_text
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)
# Problems that are named one by one.
_NAMED = 5


class Joined(NamedTuple):
    """What was joined: speakers and recordings in the folder, and recordings left out, of which one was there."""

    speakers: int
    recordings: int
    twice: int


class _Recording(NamedTuple):
    target: Path
    utterance: Utterance


def join_corpora(folder: Path, corpora: Sequence[tuple[str, Corpus]]) -> Joined:
    """Make a folder `<name>-<speaker>/<utterance>` of links to the recordings of several corpora.

    Corpora of one name are parts of one: the same speaker in them is the same person, and of two recordings with one
    id the first is taken. Texts lie beside the links, sexes in `speakers.csv`; splits, dialects and alignments are not
    kept. Moving a corpus breaks its links.

    Args:
        folder: to be made; it must not be there.
        corpora: each with its name, in their order.

    Raises:
        ConfigError: the folder lies in one of the corpora.
        InputError: a corpus that cannot be read, or a speaker of two sexes.
        OutputError: the folder is there, or cannot be written.
    """
    for _, corpus in corpora:
        if folder.resolve().is_relative_to(corpus.root.resolve()):
            raise ConfigError(
                f"{folder}: lies in the corpus {corpus.root}, which would grow by it: choose another folder"
            )
    recordings, sexes, twice = dict[str, _Recording](), dict[str, Sex](), list[str]()
    for name, corpus in corpora:
        utterances = read_all(corpus)
        refuse_unreadable(corpus.problems, corpus.root)
        for utterance in utterances:
            speaker = f"{name}-{utterance.speaker}"
            known = sexes.setdefault(speaker, utterance.sex)
            if known == "unknown":
                sexes[speaker] = utterance.sex
            elif utterance.sex not in (known, "unknown"):
                raise InputError(
                    f"{corpus.root}: speaker {utterance.speaker} is {utterance.sex} here and {sexes[speaker]} in "
                    f"another corpus of the name {name}: give corpora of different people different names"
                )
            target = (corpus.root / utterance.path).resolve()
            place = f"{speaker}/{utterance.id}{PurePosixPath(utterance.path).suffix.lower()}"
            if place in recordings:
                twice.append(utterance.path)
            else:
                recordings[place] = _Recording(target, utterance)
    _write(folder, recordings, sexes)
    if splits := sorted({one.utterance.split for one in recordings.values() if one.utterance.split}):
        _LOGGER.warning(
            "the splits are not kept (%s): name who is to be tested, by --set folds, or join the parts by themselves",
            ", ".join(splits[:_NAMED]),
        )
    if twice:
        _LOGGER.warning(
            "%d recordings left out, of which one with the same speaker and id was there: %s",
            len(twice),
            ", ".join(twice[:_NAMED]) + (", …" if len(twice) > _NAMED else ""),
        )
    return Joined(len(sexes), len(recordings), len(twice))


def _write(folder: Path, recordings: dict[str, _Recording], sexes: dict[str, Sex]) -> None:
    with atomic_folder(folder) as made, progress("join", len(recordings), unit="recordings") as bar:
        for place, (target, utterance) in recordings.items():
            link = made / place
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(target)
            if utterance.text is not None:
                write_text(link.with_suffix(".txt"), f"{utterance.text}\n")
            bar.advance(1)
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerows([("speaker", "sex"), *sorted(sexes.items())])
        write_text(made / "speakers.csv", table.getvalue())

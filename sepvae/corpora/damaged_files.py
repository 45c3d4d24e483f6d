"""Which files of a corpus cannot be used: unreadable, silent, of several channels, or noise by a lost byte."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sepvae import audio
from sepvae.batch import one_of_many
from sepvae.corpora.damage import examine
from sepvae.corpora.records import Problem, Utterance
from sepvae.errors import SepvaeError
from sepvae.progress import progress

# What this quiet (−80 dBFS) has no level to normalise.
SILENCE_RMS = 1e-4
# Files left out that are named one by one.
_NAMED = 10
_LOGGER = logging.getLogger(__name__)


def level(wave: audio.Wave) -> float:
    """Return the root mean square of samples (…, time); of none it is 0."""
    return float(np.sqrt(np.square(wave, dtype=np.float64).mean())) if wave.size else 0.0


def shifted(path: Path, wave: audio.Wave | None = None) -> bool:
    """Say whether the samples of a file are shifted by a byte; InputError when it cannot be read.

    Args:
        path: of the file.
        wave: its samples (channels, time), where they have been read already.
    """
    if audio.inspect(path).subtype != "PCM_16":
        return False
    wave = audio.read(path).wave if wave is None else wave
    return wave.shape[0] == 1 and examine(wave[0]).shifted_from is not None


def unusable_files(utterances: Sequence[Utterance], root: Path, *, mono: bool = True) -> dict[str, Problem]:
    """Read every file, and return what is wrong with those that cannot be used, by the id of the utterance.

    They are named in warnings. The codes are those of `sepvae corpus validate`, `broken` for what cannot be read.

    Args:
        utterances: of the corpus.
        root: its folder.
        mono: whether one of several channels cannot be used.
    """
    found = dict[str, Problem]()
    with progress("check", len(utterances), unit="files") as bar:
        for utterance in utterances:
            if (problem := _problem(utterance.path, root, mono=mono)) is not None:
                found[utterance.id] = problem
            bar.advance(1)
    warn_of_left_out([*found.values()], n_all=len(utterances))
    return found


def warn_of_left_out(problems: Sequence[Problem], *, n_all: int) -> None:
    """Name files that are left out, the first ones one by one."""
    for problem in problems[:_NAMED]:
        _LOGGER.warning("%s: left out", problem.message)
    if problems:
        more = "" if len(problems) <= _NAMED else f", {len(problems) - _NAMED} of them not named here"
        text = "%d of %d files cannot be used and are left out%s: see 'sepvae corpus validate'"
        _LOGGER.warning(text, len(problems), n_all, more)


def _problem(path: str, root: Path, *, mono: bool) -> Problem | None:
    """Return why a file cannot be used, if so."""
    place = root / path
    try:
        with one_of_many(str(place)):
            wave = audio.read(place).wave
            if mono and len(wave) > 1:
                message = f"{place}: has {len(wave)} channels, expected one: mix it down first"
                return Problem("channels", path, message)
            if level(wave) < SILENCE_RMS:
                return Problem("silent", path, f"{place}: silent")
            if shifted(place, wave):
                return Problem("shifted_bytes", path, f"{place}: noise from where a byte was lost on")
    except SepvaeError as error:
        return Problem("broken", path, str(error))
    return None

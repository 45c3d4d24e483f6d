"""Which files of a corpus were damaged by a program for text: their samples are shifted by a byte, and noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from sepvae import audio
from sepvae.corpora.damage import examine
from sepvae.corpora.records import Utterance
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)


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


def list_damaged(utterances: Sequence[Utterance], root: Path) -> set[str]:
    """Return the ids of utterances whose samples are shifted by a byte."""
    damaged = set()
    with progress("check", len(utterances), unit="files") as bar:
        for utterance in utterances:
            if shifted(root / utterance.path):
                damaged.add(utterance.id)
            bar.advance(1)
    if damaged:
        text = "%d of %d files are damaged, noise from where a byte was lost on, and left out: 'sepvae corpus validate'"
        _LOGGER.warning(text, len(damaged), len(utterances))
    return damaged

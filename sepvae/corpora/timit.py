"""LDC TIMIT (LDC93S1): `TRAIN/DR1/FCJF0/SA1.WAV` in any letter case, SPHERE or RIFF, with its text and alignments.

Source: Garofolo et al. 1993, "DARPA TIMIT Acoustic-Phonetic Continuous Speech Corpus CD-ROM", readme.doc sections 2-6.
"""

from __future__ import annotations

import re
from pathlib import Path

from sepvae.corpora.listing import subfolders
from sepvae.corpora.reader import PublishedCorpus
from sepvae.corpora.timit_files import SPEAKER, TimitReader, example_files

_DIALECT = re.compile(r"dr[1-8]")
_SPEAKER = re.compile(SPEAKER)
_PLACE = re.compile(rf"(?:^|/)(?:(?P<split>train|test)/)?dr(?P<dialect>[1-8])/(?P<speaker>{SPEAKER})$")
_MAX_PREFIXES = 3


def _has_dialects(folder: Path) -> bool:
    dialects = [place for place in subfolders(folder) if _DIALECT.fullmatch(place.name.casefold())]
    return any(_SPEAKER.fullmatch(place.name.casefold()) for dialect in dialects for place in subfolders(dialect))


class Timit(TimitReader):
    """Reader of LDC TIMIT: the folder given may hold TRAIN and TEST, be one of them, or lie up to three above."""

    name = "timit"
    layout = "TRAIN|TEST/DR1..DR8/<speaker>/<sentence>.WAV, such as TRAIN/DR1/FCJF0/SA1.WAV"
    example = example_files(
        ["TRAIN/DR1/FCJF0/SA1", "TRAIN/DR1/FCJF0/SX37", "TEST/DR1/MDAB0/SA1", "TEST/DR1/MDAB0/SX49"],
        speakers=("DOC/SPKRINFO.TXT", "CJF0 F 1 TRN\nDAB0 M 1 TST\n"),
    )
    place = _PLACE
    published = PublishedCorpus("LDC93S1", 16000, 630, {"train": 4620, "test": 1680})

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether TRAIN or TEST with dialect folders lies here, or below folders called TIMIT or data."""
        places = [root]
        for _ in range(_MAX_PREFIXES + 1):
            inside = [folder for place in places for folder in subfolders(place)]
            if any(_has_dialects(folder) for folder in inside if folder.name.casefold() in ("train", "test")):
                return True
            places = [folder for folder in inside if folder.name.casefold() in ("timit", "data")]
        return _has_dialects(root)

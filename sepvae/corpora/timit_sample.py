"""The sample of TIMIT that NLTK distributes: `dr1-fvmh0/sa1.wav`, RIFF, with its text and alignments, no splits.

Source: the README of the sample, https://www.nltk.org/nltk_data/ (package timit, CC BY-NC-SA).
"""

from __future__ import annotations

import re
from pathlib import Path

from sepvae.corpora.listing import subfolders
from sepvae.corpora.reader import PublishedCorpus
from sepvae.corpora.timit_files import SPEAKER, TimitReader, example_files

_PLACE = re.compile(rf"(?:^|/)dr(?P<dialect>[1-8])-(?P<speaker>{SPEAKER})$")


class TimitSample(TimitReader):
    """Reader of NLTK's sample; the folder given may be `timit` or lie above it."""

    name = "timit-sample"
    layout = "dr<1-8>-<speaker>/<sentence>.wav, such as dr1-fvmh0/sa1.wav"
    example = example_files(
        ["dr1-fvmh0/sa1", "dr1-fvmh0/sx26", "dr1-mcpm0/sa1", "dr1-mcpm0/sx24"],
        speakers=("spkrinfo.txt", "VMH0 F 1 TRN\nCPM0 M 1 TRN\n"),
    )
    place = _PLACE
    published = PublishedCorpus(sample_rate=16000)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder such as `dr1-fvmh0` lies here or one level below."""
        inside = subfolders(root)
        places = inside + [place for folder in inside for place in subfolders(folder)]
        return any(_PLACE.fullmatch(place.name.casefold()) for place in places)

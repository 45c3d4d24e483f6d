"""What is known of corpora as they are published, to compare a copy with: rates, speakers and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sepvae.corpora.records import Problem, Utterance

PUBLISHED_RATE = {
    "timit": 16000, "timit-sample": 16000, "librispeech": 16000, "vctk": 48000, "vivos": 16000, "vcc2018": 22050,
    "arctic": 16000,
}  # fmt: skip
# Their splits part sentences, not speakers: everyone who is tested also trains.
SPLITS_SHARE_SPEAKERS = frozenset({"vcc2018", "vcc2016"})


@dataclass(frozen=True)
class Published:
    """The size of a corpus: its speakers, and the files of each split, None where they are not known.

    Only the splits named here are counted; the split None is that of a corpus without splits.
    """

    title: str
    speakers: int
    files: Mapping[str | None, int | None]


PUBLISHED = {
    "timit": Published("LDC93S1", 630, {"train": 4620, "test": 1680}),
    "vcc2018": Published("VCC2018", 12, {"training": None}),
    "vcc2016": Published("VCC2016", 10, {"training": 1620}),
    "arctic": Published("CMU ARCTIC", 18, {None: None}),
}


def check_complete(name: str, utterances: Sequence[Utterance]) -> list[Problem]:
    """Compare with the published counts when most of the speakers are there: less is meant to be a part."""
    published = PUBLISHED.get(name)
    if published is None:
        return []
    counted = [utterance for utterance in utterances if utterance.split in published.files]
    n_speakers = len({utterance.speaker for utterance in counted})
    counts = Counter(utterance.split for utterance in counted)
    known = {split: number for split, number in published.files.items() if number is not None}
    if n_speakers <= published.speakers // 2:
        return []
    if n_speakers == published.speakers and all(counts[split] == number for split, number in known.items()):
        return []
    here = " and ".join(f"{counts[split]} {split}" for split in known)
    there = " and ".join(str(number) for number in known.values())
    message = (
        f"{here} files of {n_speakers} speakers; the full {published.title} has {there} of {published.speakers}"
        if known
        else f"{n_speakers} speakers; the full {published.title} has {published.speakers}"
    )
    return [Problem("incomplete_copy", name, message)]

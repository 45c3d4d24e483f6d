"""What a result says of itself: the settings that decide its figures, who was tested, and what it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from sepvae.devices import Processor
from sepvae.files import hash_json
from sepvae.recipe.ledger import Ledger, Receipt

# Enough of a SHA-256 to tell files apart, where thousands of them stand in a result.
_SHORT_HASH = 16


class Tested(TypedDict):
    """Who and what a part was tested on: speakers, utterances and recordings of noise with the hash of each file.

    Synthetic recordings have an empty one. `hash` is of all of it.
    """

    speakers: list[str]
    utterances: dict[str, str]
    recordings: dict[str, str]
    hash: str


class Heard(NamedTuple):
    """An utterance or, without a speaker, a recording of a test: its name, and the SHA-256 of its file."""

    speaker: str
    utterance: str
    sha256: str


def tested_set(heard: Iterable[Heard]) -> Tested:
    """Return who and what was tested, each once."""
    found = sorted({*heard})
    speakers = sorted({one.speaker for one in found if one.speaker})
    utterances = {one.utterance: one.sha256[:_SHORT_HASH] for one in found if one.speaker}
    recordings = {one.utterance: one.sha256[:_SHORT_HASH] for one in found if not one.speaker}
    everything = hash_json([speakers, utterances, recordings])
    return {"speakers": speakers, "utterances": utterances, "recordings": recordings, "hash": everything}


def sum_seconds(receipts: Iterable[Receipt]) -> float | None:
    """Return the CPU seconds of some stages; None when those of one are not known."""
    seconds = [one.core_seconds for one in receipts]
    known = [one for one in seconds if one is not None]
    return None if len(known) < len(seconds) else round(math.fsum(known), 1)


def time_of(ledger: Ledger, stages: Mapping[str, Sequence[str]]) -> dict[str, float | None]:
    """Return the CPU seconds of each kind of work, given by name with its stages."""
    return {work: sum_seconds(ledger.receipt(stage) for stage in names) for work, names in stages.items()}


def what_it_took(ledger: Ledger, stages: Sequence[str]) -> dict[str, Any]:
    """Return the CPU seconds of all stages of a run, its processors, the busiest first, and the day of the last."""
    receipts = [ledger.receipt(stage) for stage in stages]
    processors: dict[str, tuple[float, Processor]] = {}
    for one in receipts:
        if one.processor is not None:
            key = hash_json(one.processor)
            before, _ = processors.get(key, (0.0, None))
            processors[key] = before + (one.core_seconds or 0.0), one.processor
    return {
        "core_seconds": sum_seconds(receipts),
        "processors": [found for _, found in sorted(processors.values(), key=lambda pair: -pair[0])],
        "date": max((one.date for one in receipts if one.date is not None), default=None),
    }

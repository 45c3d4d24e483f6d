"""Whether the disk has room for what a run is going to make, before it makes anything or removes what is there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from sepvae import audio
from sepvae.augmented.folder import FINAL, WORK, read_final
from sepvae.augmented.journal import finished_blocks, read_block
from sepvae.augmented.pipeline import Pipeline
from sepvae.augmented.plan import Plan
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError

_BYTES = {"pcm16": 2, "pcm24": 3, "float": 4}
# The least that lossless compression leaves of a corpus of speech, pauses and all.
_COMPRESSED = 0.1
# From so many utterances it is told how much shorter records may become.
_LOOKED_AT = 100


def _least_bytes_per_s(drawing: Pipeline) -> float:
    """Return the bytes that a second of a record takes at the least; 0 where the model decides."""
    output = drawing.config.output
    if output.holds == "samples":
        bytes_per_s = float(drawing.spec.sample_rate * _BYTES[output.subtype])
        return bytes_per_s if output.writer.floats else _COMPRESSED * bytes_per_s
    return output.n_mels * 4 * 1000 / output.hop_ms if output.holds == "log_mel" else 0.0


def _least_scale(drawing: Pipeline, plan: Plan) -> float:
    """Return the least share of an utterance's length that a record has."""
    records = [one for own in islice(plan.utterances, _LOOKED_AT) for one in drawing.draw(own, plan.utterances)]
    # One that cannot be drawn is none.
    made = [one for one in records if not one.failure]
    scales = [math.prod(drawing.steps[step["name"]].time_scale(step) for step in one.parameters) for one in made]
    return min(scales, default=0.0) * len(made) / max(1, len(records))


def bytes_made(out: Path) -> int:
    """Return the bytes that a run has made in its folder, finished or not; 0 where what it says of them is damaged."""
    try:
        if (out / FINAL).is_file():
            return int(read_final(out)["n_bytes"])
        blocks = map(read_block, finished_blocks(out / WORK).values())
        return sum(sum(block["files"].values()) for block in blocks)
    except InputError:
        return 0


def check_room(out: Path, plan: Plan, drawing: Pipeline, utterances: Iterable[Utterance], *, freed: int = 0) -> None:
    """Raise OutputError when the disk has no room for what is to be made of some utterances.

    Args:
        out: folder of the run.
        plan: of the whole run.
        drawing: what says what is made.
        utterances: those that are to be made.
        freed: bytes that the run removes before it begins.
    """
    n_records = len(drawing.config.methods) * drawing.config.copies
    seconds = n_records * math.fsum(one.duration_s for one in utterances)
    needed = _least_scale(drawing, plan) * seconds * _least_bytes_per_s(drawing)
    audio.check_space(out, int(needed) - freed)

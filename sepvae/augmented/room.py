"""Whether the disk has room for what a run is going to make, before it makes anything."""

from __future__ import annotations

from pathlib import Path

from sepvae import audio
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.plan import Plan

_BYTES = {"pcm16": 2, "pcm24": 3, "float": 4}
# The least that lossless compression leaves of a corpus of speech, pauses and all, and that a change of speed leaves.
_COMPRESSED, _FASTER = 0.1, 0.8


def _least_bytes_per_s(config: AugmentConfig, sample_rate: int) -> float:
    """Return the bytes that a second of a record takes at the least; 0 where the model decides."""
    output = config.output
    if output.holds == "samples":
        bytes_per_s = float(sample_rate * _BYTES[output.subtype])
        return bytes_per_s if output.writer.floats else _COMPRESSED * bytes_per_s
    return output.n_mels * 4 * 1000 / output.hop_ms if output.holds == "log_mel" else 0.0


def check_room(out: Path, plan: Plan, config: AugmentConfig, *, share: float) -> None:
    """Raise OutputError when the disk of a folder has no room for a share of what is planned."""
    n_records = len(config.methods) * config.copies
    seconds = _FASTER * share * n_records * plan.duration_s
    audio.check_space(out, int(seconds * _least_bytes_per_s(config, plan.sample_rate)))

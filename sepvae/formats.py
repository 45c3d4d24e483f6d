"""The names of sound files: endings of those that are read, and the samples of those that are written."""

from __future__ import annotations

from typing import Literal, get_args

# What libsndfile reads, and NIST SPHERE.
AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".sph", ".aif", ".aiff")

# What samples are written as: 32-bit floats, or integers that saturate.
Subtype = Literal["float", "pcm16", "pcm24"]
SUBTYPES: tuple[Subtype, ...] = get_args(Subtype)


def is_audio(path: str) -> bool:
    """Whether a name ends like a sound file that is read."""
    return path.casefold().endswith(AUDIO_ENDINGS)

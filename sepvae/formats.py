"""The names of sound files: endings of those that are read, and the samples of those that are written."""

from __future__ import annotations

from typing import Literal, get_args

# Of recordings, in Hz: from what a voice needs least to what converters give most.
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 384_000

# What libsndfile reads, and NIST SPHERE.
AUDIO_ENDINGS = (
    *(".wav", ".flac", ".ogg", ".sph", ".aif", ".aiff", ".mp3", ".opus", ".wave", ".bwf", ".rf64", ".w64"),
    *(".oga", ".mp2", ".aifc", ".caf", ".au", ".snd"),
)
# Sound all the same, which has to be converted first: it is named where it lies, and not passed over.
FOREIGN_ENDINGS = (
    *(".m4a", ".m4b", ".aac", ".wma", ".amr", ".awb", ".3ga", ".3gp", ".ac3", ".eac3", ".dts", ".ape", ".wv"),
    *(".mpc", ".mka", ".spx", ".tta", ".gsm", ".vox", ".dsf", ".shn"),
)
# The first bytes of sound under another name, and those from the ninth on, where they matter.
_BEGINNINGS = (
    *((b"RIFF", b"WAVE"), (b"RIFX", b"WAVE"), (b"RF64", b"WAVE"), (b"FORM", b"AIF"), (b"fLaC", b""), (b"OggS", b"")),
    *((b".snd", b""), (b"caff", b""), (b"riff\x2e\x91\xcf\x11", b""), (b"NIST_1A", b""), (b"ID3", b"")),
)
BEGINNING_BYTES = 16

# What samples are written as: 32-bit floats, or integers that saturate.
Subtype = Literal["float", "pcm16", "pcm24"]
SUBTYPES: tuple[Subtype, ...] = get_args(Subtype)


def is_audio(path: str) -> bool:
    """Whether a name ends like a sound file, one that has to be converted first among them."""
    return path.casefold().endswith((*AUDIO_ENDINGS, *FOREIGN_ENDINGS))


def begins_like_audio(start: bytes) -> bool:
    """Whether the first `BEGINNING_BYTES` of a file are those of sound that is read.

    Example:
        >>> begins_like_audio(b"RIFF....WAVEfmt "), begins_like_audio(b"RIFF....AVI LIST")
        (True, False)
    """
    return any(start.startswith(first) and start[8:].startswith(form) for first, form in _BEGINNINGS)

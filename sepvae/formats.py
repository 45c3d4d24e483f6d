"""The names of sound files: endings of those that are read, and the samples of those that are written."""

from __future__ import annotations

from collections.abc import Mapping
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
# How sound begins that is read under any name, by container: the first bytes, and those from the ninth on, where they
# matter. MPEG audio without a tag is known by its ending alone: its frames begin as much else does.
_BEGINNINGS: Mapping[str, tuple[bytes, bytes]] = {
    "WAV": (b"RIFF", b"WAVE"),
    "RIFX": (b"RIFX", b"WAVE"),
    "RF64": (b"RF64", b"WAVE"),
    "BW64": (b"BW64", b"WAVE"),
    "AIFF": (b"FORM", b"AIFF"),
    "AIFC": (b"FORM", b"AIFC"),
    "CAF": (b"caff", b""),
    "W64": (bytes.fromhex("726966662e91cf11a5d628db04c10000"), b""),
    "FLAC": (b"fLaC", b""),
    "OGG": (b"OggS", b""),
    "AU": (b".snd", b""),
    "AU little": (b"dns.", b""),
    "SPHERE": (b"NIST_1A", b""),
    "ID3": (b"ID3", b""),
}
BEGINNING_BYTES = 16

# What samples are written as: 32-bit floats, or integers that saturate.
Subtype = Literal["float", "pcm16", "pcm24"]
SUBTYPES: tuple[Subtype, ...] = get_args(Subtype)


def is_audio(path: str) -> bool:
    """Whether a name ends like a sound file, one that has to be converted first among them."""
    return path.casefold().endswith((*AUDIO_ENDINGS, *FOREIGN_ENDINGS))


def container_of(start: bytes) -> str | None:
    """Return the container of sound by the first `BEGINNING_BYTES` of a file, or more of them; None of all else.

    Example:
        >>> container_of(b"RIFF....WAVEfmt "), container_of(b"RIFF....AVI LIST")
        ('WAV', None)
    """
    for container, (first, form) in _BEGINNINGS.items():
        if start.startswith(first) and start[8:].startswith(form):
            return container
    return None

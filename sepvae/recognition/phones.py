"""The 39 phones that TIMIT's 61 labels are folded to (Lee & Hon 1989), and the frames that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae.corpora.records import Interval
from sepvae.errors import InputError

SILENCE = "sil"
# A glottal stop is in no word's dictionary entry, and is left out.
LEFT_OUT = "q"
NO_PHONE = -1

PHONES: tuple[str, ...] = (
    "aa", "ae", "ah", "aw", "ay", "b", "ch", "d", "dh", "dx", "eh", "er", "ey", "f", "g", "hh", "ih", "iy", "jh", "k",
    "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", SILENCE, "t", "th", "uh", "uw", "v", "w", "y", "z",
)  # fmt: skip
_FOLDED: dict[str, str] = {
    "ao": "aa", "ax": "ah", "ax-h": "ah", "axr": "er", "hv": "hh", "ix": "ih", "el": "l", "em": "m", "en": "n",
    "nx": "n", "eng": "ng", "zh": "sh", "ux": "uw",
    **dict.fromkeys(("pcl", "tcl", "kcl", "bcl", "dcl", "gcl", "h#", "pau", "epi"), SILENCE),
}  # fmt: skip
_NUMBERS = {phone: number for number, phone in enumerate(PHONES)}


class Stretch(NamedTuple):
    """Frames [start, stop) of a phone, by its number in `PHONES`."""

    start: int
    stop: int
    phone: int


def fold(label: str) -> int | None:
    """Return the number of the phone that a label of TIMIT belongs to, None for one that is left out.

    Raises:
        InputError: no label of TIMIT.

    Example:
        >>> PHONES[fold("ax-h")], PHONES[fold("tcl")], fold("q")
        ('ah', 'sil', None)
    """
    name = label.lower()
    if name == LEFT_OUT:
        return None
    number = _NUMBERS.get(_FOLDED.get(name, name))
    if number is None:
        raise InputError(f"phone {label!r}: is no label of TIMIT: use a corpus with TIMIT's phone alignments")
    return number


def stretches(phones: Iterable[Interval], centres: NDArray[np.integer]) -> list[Stretch]:
    """Return the phones of an utterance as stretches of frames; one between two frames has the nearest.

    Args:
        phones: alignment in samples.
        centres: sample at the centre of each frame (frames,), rising.
    """
    found = []
    for phone in phones:
        number = fold(phone.label)
        if number is None:
            continue
        start, stop = (int(edge) for edge in np.searchsorted(centres, (phone.start, phone.stop)))
        if stop <= start:
            middle = (phone.start + phone.stop) / 2
            start = int(np.abs(centres - middle).argmin())
            stop = start + 1
        found.append(Stretch(start, stop, number))
    return found


def frame_labels(found: Iterable[Stretch], n_frames: int) -> NDArray[np.int64]:
    """Return the phone of each frame (frames,), `NO_PHONE` where there is none."""
    labels = np.full(n_frames, NO_PHONE, np.int64)
    for stretch in found:
        labels[stretch.start : stretch.stop] = stretch.phone
    return labels

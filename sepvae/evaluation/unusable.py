"""Signals that cannot be scored: the reason that stands in a row in place of a value, and the sentence for people."""

from __future__ import annotations

from pathlib import Path

from sepvae import audio
from sepvae.audio import Audio
from sepvae.batch import one_of_many
from sepvae.errors import InputError, OutOfMemory, SepvaeError

# Whose fault it is stands first; then what is wrong with the file.
_ROLES = ("estimate", "reference", "mixture", "noise")
_FAULTS = ("missing", "unreadable", "not_finite", "length", "channels", "sample_rate")
TOO_SHORT_TO_ORDER = "too_short_to_order"
OUT_OF_MEMORY, PROCESS_KILLED, NOT_SCORED = "out_of_memory", "process_killed", "not_scored"
# An item that was spoilt by the machine, and may have a value when it is tried again.
PASSING = frozenset({OUT_OF_MEMORY, PROCESS_KILLED})
# Every reason for which an item counts as failed; all others are of signals that could be scored as they are.
UNUSABLE = frozenset({f"{role}_{fault}" for role in _ROLES for fault in _FAULTS}) | PASSING
UNUSABLE |= {TOO_SHORT_TO_ORDER, NOT_SCORED}


class UnusableSignalError(InputError):
    """A signal that cannot be scored; `reason` is one of `UNUSABLE`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_signal(path: Path | None, role: str, *, where: str, channel: int | None = None) -> Audio:
    """Return the samples (1, time) of a file and its rate in Hz.

    Args:
        path: of the file; None where there is none.
        role: `estimate`, `reference`, `mixture` or `noise`.
        where: the item and signal, for a file that is not there.
        channel: which to take of several.

    Raises:
        UnusableSignalError: it is missing, cannot be read, or has several channels and none was chosen.
    """
    if path is None:
        raise UnusableSignalError(f"{role}_missing", f"{where}: there is no file of this {role}")
    try:
        with one_of_many(str(path)):
            wave, rate = audio.read(path)
    except OutOfMemory as error:
        raise UnusableSignalError(OUT_OF_MEMORY, str(error)) from error
    except SepvaeError as error:
        fault = "unreadable" if path.is_file() else "missing"
        if "is NaN or infinite" in str(error):
            fault = "not_finite"
        raise UnusableSignalError(f"{role}_{fault}", str(error)) from error
    if len(wave) == 1:
        return Audio(wave, rate)
    if role == "estimate":
        message = f"{path}: has {len(wave)} channels, expected one: mix it down first"
    elif channel is None:
        message = (
            f"{path}: has {len(wave)} channels: say which of them the estimates belong to with --channel, 0 for the "
            "reference microphone of 'sepvae mix --room'"
        )
    elif 0 <= channel < len(wave):
        return Audio(wave[channel : channel + 1], rate)
    else:
        message = f"{path}: has {len(wave)} channels, there is no --channel {channel}: the first is 0"
    raise UnusableSignalError(f"{role}_channels", message)


def check_like(path: Path | None, found: Audio, expected: Audio, role: str, *, of: str) -> None:
    """Raise UnusableSignalError when a signal has another rate or length than another one, called `of`."""
    if found.sample_rate != expected.sample_rate:
        raise UnusableSignalError(
            f"{role}_sample_rate",
            f"{path}: is sampled at {found.sample_rate} Hz, {of} at {expected.sample_rate} Hz: resample it first",
        )
    if found.wave.shape != expected.wave.shape:
        raise UnusableSignalError(
            f"{role}_length",
            f"{path}: has {found.wave.shape[-1]} samples, {of} has {expected.wave.shape[-1]}: cut or pad it from the "
            "same start",
        )

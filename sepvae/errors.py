"""The errors a user can meet: every message says what was wrong, what was received, and what to do next."""

from __future__ import annotations

# How an error is told that nobody foresaw; no input may lead to it.
FAULT = "a fault of sepvae, not of yours"
PLEASE_REPORT = "report it, please, with what -v tells more"


class SepvaeError(Exception):
    """Base of all errors that sepvae raises on purpose."""


class InputError(SepvaeError, ValueError):
    """A file, folder or array given by the user cannot be used."""


class OutputError(SepvaeError, OSError):
    """A result cannot be written where it was asked for."""


class ConfigError(SepvaeError, ValueError):
    """A configuration, recipe or argument holds an unknown key or an impossible value."""


class CheckpointError(SepvaeError):
    """A model folder is incomplete, damaged, or belongs to another architecture."""


class KilledWorker(SepvaeError):
    """A process was ended from outside before its work was done; the message names the work."""


class OutOfMemory(SepvaeError):
    """An item needs more memory than there is; the message names it."""


class MissingExtra(SepvaeError, ImportError):
    """A feature needs an optional package that is not installed or does not load."""

    # Of an error that comes from another process, the text alone is known.
    extra = ""

    def __init__(self, feature: str, extra: str, cause: BaseException | None = None) -> None:
        reason = f" ({cause})" if cause else ""
        super().__init__(f"{feature} needs the optional extra '{extra}'{reason}: pip install 'sepvae[{extra}]'")
        self.extra = extra


class Cancelled(BaseException):
    """A listener to progress wants no more.

    As KeyboardInterrupt is none, it is no Exception: what goes on after a bad file must not go on after it.
    """


class Terminated(BaseException):
    """The system, or whoever is in charge of this process, wants it to end; `number` is that of the signal.

    No Exception, for the reason of `Cancelled`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"asked to end by signal {number}")
        self.number = number

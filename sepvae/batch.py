"""One item of many: whatever happens to it is an error that names it, and what was done with the others stays."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from sepvae.errors import FAULT, PLEASE_REPORT, InputError, OutOfMemory, SepvaeError

_LOGGER = logging.getLogger(__name__)

# What torch says on a processor that gives no memory: it raises a bare RuntimeError there.
_REFUSED_TO_TORCH = ("can't allocate memory", "not enough memory", "out of memory", "failed to allocate")

# What no input should make of our code, whatever is in it.
_OUR_FAULTS = (AssertionError, AttributeError, NameError, TypeError, KeyError, IndexError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was asked for and not given: by Python, NumPy, or torch on any device."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).casefold() for text in _REFUSED_TO_TORCH)


@contextlib.contextmanager
def one_of_many(
    item: str, *, advice: str = "cut it into shorter recordings, or use a machine with more"
) -> Iterator[None]:
    """Let nothing but a `SepvaeError` out of the block that works on one item, so that a loop goes on with the next.

    An error of ours passes as it is, for it names what it is about. The place of any other is logged with `--verbose`.

    Args:
        item: what the block works on, as the user calls it.
        advice: what to do where memory was too small for it.

    Raises:
        OutOfMemory: memory was asked for and not given.
        InputError: anything else that a library made of the item; or a fault of ours, which the message says is one.

    Example:
        >>> with one_of_many("talk.wav"):
        ...     raise MemoryError
        Traceback (most recent call last):
        sepvae.errors.OutOfMemory: talk.wav: needs more memory than there is: cut it into shorter recordings, or use \
a machine with more
    """
    try:
        yield
    except SepvaeError:
        raise
    except Exception as error:
        _LOGGER.debug("%s", item, exc_info=True)
        if is_out_of_memory(error):
            raise OutOfMemory(f"{item}: needs more memory than there is: {advice}") from error
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, _OUR_FAULTS):
            raise InputError(f"{item}: {FAULT} ({what}): {PLEASE_REPORT}") from error
        raise InputError(f"{item}: cannot be worked on ({what}): leave it out") from error

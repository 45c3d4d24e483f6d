"""JSON of a size and with numbers that a machine can hold: what would fill the memory, or is no number, is refused."""

from __future__ import annotations

import json
import math
from typing import Any

from sepvae.errors import InputError

# Empty lists take two bytes each in a file, and seventy in memory. No whole number of anything has more digits.
_MAX_VALUES, _MAX_DIGITS = 5_000_000, 100


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    # Of too many digits or too large an exponent Python makes infinity.
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{digits:.40} is larger than any number of a computer")
    return number


def parse_json(text: str | bytes, where: str) -> Any:
    """Return one strict JSON value; InputError with `where` and the position when it is none, or is too large."""
    counts = map(text.count, (b"[", b"{", b",")) if isinstance(text, bytes) else map(text.count, ("[", "{", ","))
    if sum(counts) > _MAX_VALUES:
        raise InputError(f"{where}: holds more than {_MAX_VALUES} values: is it the file that you mean?")
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error

"""Tables of words and numbers that an experiment shows at the top of its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Overview(NamedTuple):
    """A table: its title, the headings of its columns, rows whose first cell is a heading too, and a sentence below."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

"""docs/inputs.md promises what becomes of every kind of input: each row names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "inputs.md"
_NAMED = re.compile(r"`(?P<file>[\w/]*\.py)?(?:::(?P<test>test_\w+))?`")


def test_every_row_is_held_by_tests_that_are_there() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| what comes")]
    assert len(rows) > 50
    missing = []
    for row in rows:
        held_by, path = row.rstrip("| ").rpartition(" | ")[2], TESTS / "none"
        named = [match for match in _NAMED.finditer(held_by) if match["file"] or match["test"]]
        if not named:
            missing.append(f"no test: {row}")
        for match in named:
            path = TESTS / match["file"] if match["file"] else path
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if not text or (match["test"] and f"def {match['test']}(" not in text):
                missing.append(f"{path.relative_to(TESTS)}::{match['test']}")
    assert not missing

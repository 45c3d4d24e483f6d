"""A run whose disk is too small is refused before it makes anything."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sepvae.augmented import WRITERS
from sepvae.augmented.folder import WORK
from sepvae.errors import OutputError

from .conftest import augment, interrupted

DISK_USAGE = "sepvae.audio.space.shutil.disk_usage"
GIGABYTE = 10**9


def asked(monkeypatch: pytest.MonkeyPatch, corpus: Path, out: Path, **settings: Any) -> float:
    """Return how many bytes a run asks for on a full disk."""
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="the disk is full") as refused:
        patch.setattr(DISK_USAGE, lambda _: SimpleNamespace(total=GIGABYTE, free=0))
        augment(corpus, out, **settings)
    number, unit = re.findall(r"([0-9.]+) (MB|kB|bytes) are needed", str(refused.value))[0]
    return float(number) * {"MB": 1e6, "kB": 1e3, "bytes": 1}[unit]


@pytest.mark.parametrize("kind", WRITERS)
def test_it_asks_for_no_more_than_it_takes(
    kind: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, out = {"format": kind}, tmp_path / "out"
    needed = asked(monkeypatch, corpus, out, output=output)
    assert not [path for path in out.rglob("*") if path.is_file() and WORK not in path.parts]
    augment(corpus, out, output=output)
    made = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert 0.1 * made < needed <= made


def test_what_is_done_needs_no_room(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    first = asked(monkeypatch, corpus, out)
    interrupted(monkeypatch, corpus, out, after=2)
    assert asked(monkeypatch, corpus, out) == pytest.approx(first / 3, rel=0.05)
    shutil.rmtree(out)

"""A run whose disk is too small is refused before it makes anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sepvae.augmented import WRITERS
from sepvae.augmented.folder import WORK
from sepvae.augmented.run import RunOptions
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


@pytest.mark.parametrize(("methods", "factors"), [("speed", (2.0,)), ("speed+gain", (0.5, 4.0)), ("gain", None)])
def test_speed_makes_less_of_it(
    methods: str, factors: tuple[float, ...] | None, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, settings = tmp_path / "out", {"methods": methods, **({"speed": {"factors": factors}} if factors else {})}
    needed = asked(monkeypatch, corpus, out, **settings)
    augment(corpus, out, **settings)
    made = sum(path.stat().st_size for path in out.rglob("*.wav"))
    # Headers are more.
    assert needed <= made
    assert needed > (0.9 if len(factors or "1") == 1 else 0.1) * made


def test_what_is_done_needs_no_room(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    first = asked(monkeypatch, corpus, out)
    interrupted(monkeypatch, corpus, out, after=2)
    assert asked(monkeypatch, corpus, out) == pytest.approx(first / 3, rel=0.2)


def test_what_is_replaced_gives_its_room_and_stays_where_that_is_too_little(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Callable[[Path], dict[str, str]]
) -> None:
    out, again = tmp_path / "out", RunOptions(overwrite=True)
    augment(corpus, out, methods="gain")
    before = contents(out)
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="the disk is full"):
        patch.setattr(DISK_USAGE, lambda _: SimpleNamespace(total=GIGABYTE, free=0))
        augment(corpus, out, how=again, methods="gain", copies=4)
    assert contents(out) == before
    usage, empty = iter((SimpleNamespace(total=GIGABYTE, free=0),)), SimpleNamespace(total=GIGABYTE, free=GIGABYTE)
    with monkeypatch.context() as patch:
        # Of the same size: there is room once it is gone.
        patch.setattr(DISK_USAGE, lambda _: next(usage, empty))
        augment(corpus, out, how=again, methods="gain")
    assert contents(out) == before

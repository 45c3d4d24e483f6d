"""What holds for every format of augmented speech, with all that it is able to hold."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae.augmented import CONTENTS, WRITERS
from sepvae.augmented.config import OutputConfig
from sepvae.augmented.contents import Contents
from sepvae.augmented.records import Record
from sepvae.augmented.writers.contract import RecordWriter
from sepvae.config import parse_config
from sepvae.corpora.records import Interval
from sepvae.errors import ConfigError

RATE = 16000
# All that can be held, in every subtype that it can be held in.
CASES = [
    (name, contents, subtype)
    for name in WRITERS
    for contents, able in (("samples", WRITERS.resolve(name).samples), ("log_mel", WRITERS.resolve(name).features))
    for subtype in ("pcm16", "pcm24", *(("float",) if WRITERS.resolve(name).floats else ()))
    if able and (contents == "samples" or subtype == "pcm16")
]
every_case = pytest.mark.parametrize(("name", "contents", "subtype"), CASES)


def opened(out: Path, name: str, contents: str, subtype: str) -> RecordWriter:
    settings = {"format": name, "contents": contents, "subtype": subtype}
    config = parse_config(OutputConfig, settings, where="test")
    writer: RecordWriter = config.writer(config, out, RATE)
    return writer


def record(number: int, contents: str) -> Record:
    frames = {"n_frames": 30, "hop_samples": 160, "first_frame_centre": -40} if contents != "samples" else {}
    return Record(
        id=f"Zoë b/{number}.x $", utterance=f"u{number}", source="a b.wav", method="gain", copy=1, seed=1 << 62,
        parameters=({"name": "gain", "gain_db": 1.5},), speaker=".anna b", sex="female", split=None,
        sample_rate=RATE, n_samples=4800, n_channels=1, text='Costs $5,\n"quoted"', words=(Interval(0, 9, "ä"),),
        **frames,
    )  # fmt: skip


def data(number: int, contents: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    shape = (1, 4800) if contents == "samples" else (30, 12)
    return np.random.default_rng(number).uniform(-1, 1, shape).astype(np.float32)


def write(writer: RecordWriter, block: int, contents: str) -> tuple[list[Record], dict[str, int]]:
    with writer.block(block) as taken:
        for number in range(3 * block, 3 * block + 3):
            taken.add(record(number, contents), data(number, contents))
    return taken.records, taken.sizes()


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@every_case
def test_the_bytes_of_a_block_depend_on_its_records_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, contents: str, subtype: str
) -> None:
    first = opened(tmp_path / "first", name, contents, subtype)
    write(first, 0, contents)
    write(first, 1, contents)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    other = opened(tmp_path / "other", name, contents, subtype)
    write(other, 1, contents)
    write(other, 0, contents)
    assert contents_of(tmp_path / "first") == contents_of(tmp_path / "other")


@every_case
def test_records_say_where_they_lie_and_a_block_how_large_its_files_are(
    tmp_path: Path, name: str, contents: str, subtype: str
) -> None:
    records, sizes = write(opened(tmp_path, name, contents, subtype), 2, contents)
    files = contents_of(tmp_path)
    assert {path: len(file) for path, file in files.items()} == sizes
    for number, one in enumerate(records, start=6):
        assert one.path in files
        assert replace(one, path="", offset=None, sha256=None) == record(number, contents), "nothing else has changed"
        assert Record.from_json(one.to_json()) == one
        whole = files[one.path]
        assert one.sha256 == hashlib.sha256(whole).hexdigest() or WRITERS.resolve(name).archives
    assert len({one.path for one in records}) == (1 if WRITERS.resolve(name).archives else 3)


@every_case
def test_a_block_that_is_not_finished_leaves_whole_files_or_none(
    tmp_path: Path, name: str, contents: str, subtype: str
) -> None:
    writer = opened(tmp_path / "out", name, contents, subtype)
    with pytest.raises(KeyboardInterrupt), writer.block(0) as block:
        block.add(record(0, contents), data(0, contents))
        raise KeyboardInterrupt
    left = contents_of(tmp_path / "out")
    if WRITERS.resolve(name).archives:
        assert not left
    write(writer, 0, contents)
    whole = contents_of(tmp_path / "out")
    assert left.items() <= whole.items()


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_format_cannot_hold_is_refused_with_those_that_can(name: str) -> None:
    writer = WRITERS.resolve(name)
    assert issubclass(writer, RecordWriter)
    assert writer.samples or writer.features
    for contents in CONTENTS:
        able = writer.features if CONTENTS.resolve(contents).features else writer.samples
        if able:
            assert OutputConfig(format=name, contents=contents).holds == contents
        else:
            with pytest.raises(ConfigError, match=f"contents {contents}: {name} cannot hold them: choose "):
                parse_config(OutputConfig, {"format": name, "contents": contents}, where="test")
    if writer.samples and not writer.floats:
        with pytest.raises(ConfigError, match=f"subtype float: {name} holds integers: choose pcm24, or format wav"):
            parse_config(OutputConfig, {"format": name, "subtype": "float"}, where="test")


@pytest.mark.parametrize("name", CONTENTS)
def test_every_contents_resolves(name: str) -> None:
    assert issubclass(CONTENTS.resolve(name), Contents)

"""A file is looked through once, however many blocks are read of it; one that changes is looked through anew."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sepvae import audio, containers
from sepvae.containers import flac

from .sounds import noise

# Where the count of samples stands in a FLAC file: the last four of its bits share no byte.
COUNT = slice(22, 26)


def flac_file(path: Path, wave: audio.Wave) -> None:
    """Write a file whose header does not count its samples."""
    soundfile.write(path, wave.T, 8000, format="FLAC", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[COUNT] = bytes(4)
    path.write_bytes(data)


def is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as such that do not change any more."""
    monkeypatch.setattr(containers, "_FRESH_NS", -(1 << 62))


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found, examine = list[Path](), flac.examine

    def counting(file: object, path: Path, *given: int) -> object:
        found.append(path)
        return examine(file, path, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(flac, "examine", counting)
    return found


def test_blocks_of_a_file_look_through_it_once(
    tmp_path: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_old(monkeypatch)
    flac_file(tmp_path / "a.flac", noise(20_000))
    whole = np.concatenate(
        [audio.read(tmp_path / "a.flac", start=i, n_samples=1000).wave for i in range(0, 20_000, 1000)], 1
    )
    assert len(scans) == 1
    assert np.array_equal(whole, audio.read(tmp_path / "a.flac").wave)


@pytest.mark.parametrize("kept", ["time", "nothing"])
def test_a_file_that_changed_is_looked_through_anew(
    kept: str, tmp_path: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_old(monkeypatch)
    path = tmp_path / "a.flac"
    flac_file(path, noise(20_000))
    before = path.stat()
    assert audio.inspect(path).n_samples == 20_000
    flac_file(tmp_path / "b.flac", noise(9000))
    if kept == "time":
        os.utime(tmp_path / "b.flac", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "b.flac").replace(path)
    assert audio.inspect(path).n_samples == 9000
    assert len(scans) == 2


def test_a_file_that_may_still_change_is_looked_through_each_time(tmp_path: Path) -> None:
    """Two contents of one size, written faster than any clock of a file system ticks."""
    path = tmp_path / "a.flac"
    for n_samples in (4000, 4001, 4002) * 5:
        flac_file(path, np.zeros((1, n_samples), np.float32))
        assert audio.inspect(path).n_samples == n_samples

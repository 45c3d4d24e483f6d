"""Disks of every size that are full: each verb says so, and none leaves half a file or ends without a word."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sepvae.errors import OutputError
from sepvae.files import atomic_folder, write_json
from sepvae.training.tables import writing_table

from .conftest import Inputs, Started, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a disk in memory")

SIZES = ("64k", "128k", "256k", "512k", "1m", "2m", "4m")
VERBS = ("separate", "enhance", "demix", "mix", "train", "evaluate", "augment run", "corpus demo", "recipe run")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """What mounts a disk of a size, in place of the one before."""
    place, mount = tmp_path / "disk", shutil.which("mount")
    place.mkdir()

    def unmount() -> None:
        subprocess.run(["umount", place], capture_output=True, check=False)

    def of(size: str) -> Path:
        unmount()
        options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a disk")
        return place

    yield of
    unmount()


def _fill(verb: str, sizes: tuple[str, ...], inputs: Inputs, started: Started, disk: Callable[[str], Path]) -> int:
    """Run a verb on full disks of some sizes, and return on how many it did not find room."""
    n_full = 0
    for size in sizes:
        out = disk(size)
        ended = started(inputs.commands(out)[verb], out)
        assert ended["code"] in (0, 1), (size, ended)
        assert "Traceback" not in ended["stderr"], ended["stderr"]
        if ended["code"] == 1:
            n_full += 1
            assert "disk is full" in ended["stderr"], (size, ended["stderr"])
            assert ".part" not in ended["stderr"]
            assert not [name for name in tree(out) if ".part" in name]
    return n_full


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_that_the_disk_is_full(
    verb: str, inputs: Inputs, started: Started, disk: Callable[[str], Path]
) -> None:
    n_full = _fill(verb, SIZES, inputs, started, disk)
    # The table of scores is smaller than any disk.
    assert n_full or verb == "evaluate"


def test_training_says_that_the_disk_is_full(inputs: Inputs, started: Started, disk: Callable[[str], Path]) -> None:
    assert _fill("train", ("128k", "1m"), inputs, started, disk)


def test_a_table_that_does_not_fit_is_an_error_of_its_place(disk: Callable[[str], Path]) -> None:
    place, rows = disk("64k"), np.ones((1000, 100), np.float32)
    with (
        pytest.raises(OutputError, match=rf"^cannot write {place}/data: the disk is full: free some space"),
        atomic_folder(place / "data") as part,
        writing_table(part / "a.npy", (1000, 100)) as table,
    ):
        table.write(0, rows)
    assert not list(place.iterdir())
    with (
        pytest.raises(OutputError, match=rf"^cannot write {place}/data/big.json: the disk is full"),
        atomic_folder(place / "data") as part,
    ):
        write_json(part / "big.json", ["x" * 1000] * 100)
    assert not list(place.iterdir())

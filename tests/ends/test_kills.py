"""Every verb that writes, ended at random points: the same command then gives the bytes of an undisturbed run.

Nothing is left over, and no process lives on. A point is one of the moments at which the command opens, makes, renames
or removes something among its outputs, or one of time where several processes work.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .conftest import Inputs, Started, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks for processes in /proc")

VERBS = ("separate", "enhance", "demix", "mix", "train", "evaluate", "augment run", "corpus demo", "recipe run")
RESUMED = {"separate", "enhance", "demix", "mix", "train", "evaluate", "augment run", "recipe run"}


def _hidden(found: dict[str, str]) -> list[str]:
    return [name for name in found if ".part" in name or name.endswith(".unfinished") or "/.work" in name]


def _check(verb: str, inputs: Inputs, started: Started, out: Path, n_points: int) -> None:
    argv = inputs.commands(out)[verb]

    def clear() -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    clear()
    whole = started(argv, out)
    assert whole["code"] == 0, whole["stderr"]
    undisturbed = tree(out)
    assert not _hidden(undisturbed)
    rng = np.random.default_rng([len(verb), n_points])
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        points = 1 + rng.choice(whole["events"], min(n_points, whole["events"]), replace=False)
        for point in sorted(points.tolist()):
            clear()
            ended = started(argv, out, point=point, signal=number)
            where = f"{verb}: {number.name} at event {point} of {whole['events']}: {ended['stderr']}"
            # Asked to end with its very last steps, it may have been done before it was told.
            assert ended["code"] in ({code, 0} if point > whole["events"] - 5 else {code}), where
            assert ended["left"] == [], where
            if number == signal.SIGTERM:
                assert not [name for name in tree(out) if ".part" in name], where
                if ended["code"]:
                    again = "run the same command again" + (" to continue" if verb in RESUMED else "")
                    assert ended["stderr"].strip().endswith(f"sepvae: terminated; {again}"), where
            again = started(argv, out)
            finished_before = verb not in ("train", "augment run", "recipe run", "corpus demo") and (
                "exists: pass --overwrite" in again["stderr"]
            )
            assert again["code"] == 0 or finished_before, f"{where}\n{again}"
            assert tree(out) == undisturbed, where


@pytest.mark.parametrize("verb", [pytest.param(verb, marks=pytest.mark.slow) for verb in VERBS])
def test_the_same_command_gives_the_same_bytes(verb: str, inputs: Inputs, started: Started, tmp_path: Path) -> None:
    _check(verb, inputs, started, tmp_path / "out", 10)


@pytest.mark.parametrize("verb", ["separate", "mix"])
def test_a_slice_of_it(verb: str, inputs: Inputs, started: Started, tmp_path: Path) -> None:
    _check(verb, inputs, started, tmp_path / "out", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_several_processes_end_together(
    number: signal.Signals, code: int, inputs: Inputs, started: Started, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    argv = inputs.commands(out)["recipe run -j 2"]
    out.mkdir()
    before = time.monotonic()
    whole = started(argv, out)
    seconds = time.monotonic() - before
    assert whole["code"] == 0, whole["stderr"]
    undisturbed = tree(out)
    # Neither before it has begun, nor when it may be done.
    for delay in seconds * np.random.default_rng(number).uniform(0.05, 0.95, 10 if number == signal.SIGTERM else 5):
        shutil.rmtree(out)
        out.mkdir()
        ended = started(argv, out, delay=float(delay), signal=number)
        assert ended["code"] in (code, 0) and ended["left"] == [], ended
        if number != signal.SIGKILL:
            assert not [name for name in tree(out) if ".part" in name], delay
        again = started(argv, out)
        assert again["code"] == 0, again
        assert tree(out) == undisturbed, delay

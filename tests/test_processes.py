"""Systems side by side: what each gave, by name; the error of one ends all; nothing works on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sepvae.errors import InputError
from sepvae.processes import run_side_by_side


def describe(number: int) -> tuple[int, int, int]:
    import torch

    return number, os.getpid(), torch.get_num_threads()


def fail(reason: str) -> None:
    raise InputError(reason) if reason == "ours" else ZeroDivisionError(reason)


def die(name: str) -> None:
    if name == "a":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def wait(folder: str, name: str) -> None:
    (Path(folder) / name).write_text(str(os.getpid()))
    time.sleep(600)


def test_each_task_has_a_process_and_its_share_of_the_cores() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    found = run_side_by_side(describe, {"b": (2,), "a": (1,)}, jobs=2)
    assert {name: number for name, (number, *_) in found.items()} == {"b": 2, "a": 1}
    assert list(found) == ["b", "a"]
    share = max(1, (os.cpu_count() or 1) // 2)
    for _, process, threads in found.values():
        assert process != os.getpid()
        assert threads == share
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_with_one_job_everything_runs_here() -> None:
    found = run_side_by_side(describe, {"a": (1,), "b": (2,)}, jobs=1)
    assert {process for _, process, _ in found.values()} == {os.getpid()}


@pytest.mark.parametrize(("reason", "text"), [("ours", "ours"), ("other", "ZeroDivisionError: other")])
def test_an_error_names_its_system(reason: str, text: str) -> None:
    with pytest.raises(InputError, match=f"^system [bc]: {text}$"):
        run_side_by_side(fail, {"b": (reason,), "c": (reason,)}, jobs=2)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_process_that_is_killed_ends_the_run() -> None:
    with pytest.raises(InputError, match=r"a process was killed.* before all of a, b were done: .*fewer --jobs"):
        run_side_by_side(die, {"a": ("a",), "b": ("b",)}, jobs=2)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process that has ended stays in the table until its new parent looks.
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_no_process_works_on_when_the_run_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_processes import wait\n"
        "from sepvae.processes import run_side_by_side\n"
        "if __name__ == '__main__':\n"
        f"    run_side_by_side(wait, {{'a': ({str(tmp_path)!r}, 'a'), 'b': ({str(tmp_path)!r}, 'b')}}, jobs=2)\n"
    )
    with subprocess.Popen([sys.executable, str(script)]) as run:
        deadline = time.monotonic() + 120
        while not all((tmp_path / name).is_file() and (tmp_path / name).read_text() for name in "ab"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        processes = [int((tmp_path / name).read_text()) for name in "ab"]
        assert all(alive(process) for process in processes)
        run.kill()
    deadline = time.monotonic() + 30
    while any(alive(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.2)

"""The pool: every task once, errors that stop no others, threads and plug-ins in workers, and nothing left alive."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sepvae import errors, plugins
from sepvae.errors import Cancelled, ConfigError, InputError, KilledWorker, MissingExtra, SepvaeError
from sepvae.files import atomic_file
from sepvae.processes import one_thread, run, run_side_by_side
from sepvae.progress import Event, listening, progress

posix = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
WAYS = [{"jobs": 1}, {"jobs": 2}, {"jobs": 3, "workers": "threads"}]


def describe(number: int) -> tuple[int, int, int]:
    import torch

    return number, os.getpid(), torch.get_num_threads()


def square(number: int) -> int:
    # The last come first, if they can.
    time.sleep(0.02 * (number % 3 == 0))
    if number % 5 == 4:
        raise ValueError(f"no square of {number}")
    return number**2


def fail(reason: str) -> None:
    raise InputError(reason) if reason == "ours" else ZeroDivisionError(reason)


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait(folder: str, name: str = "") -> None:
    path = Path(folder) / (name or f"{os.getpid()}")
    path.write_text(str(os.getpid()))
    time.sleep(600)


def numbers(stop: int, taken: list[int]) -> Iterator[int]:
    for number in range(stop):
        taken.append(number)
        yield number


@pytest.mark.parametrize("ways", WAYS)
@pytest.mark.parametrize("ordered", [True, False])
def test_every_task_is_done_once_and_errors_stop_no_others(ways: dict[str, Any], ordered: bool) -> None:
    results = list(run(square, range(20), ordered=ordered, name=lambda number: f"task {number}", **ways))
    names = [f"task {number}" for number in range(20)]
    assert [result.name for result in results] == names if ordered else sorted(r.name for r in results) == sorted(names)
    found = {result.name: result for result in results}
    for number, name in enumerate(names):
        if number % 5 == 4:
            assert (found[name].error, found[name].text) == ("ValueError", f"no square of {number}")
            with pytest.raises(InputError, match=f"^here: ValueError: no square of {number}$"):
                found[name].value("here")
        else:
            assert found[name].value() == number**2


@pytest.mark.parametrize(("ways", "most"), [(WAYS[0], 2), (WAYS[1], 8), (WAYS[2], 12)])
def test_tasks_are_read_as_they_are_needed(ways: dict[str, Any], most: int) -> None:
    taken: list[int] = []
    with contextlib.closing(run(abs, numbers(100, taken), **ways)) as results:
        next(results), next(results)
        assert 2 <= len(taken) <= most
    assert len(taken) <= most


@pytest.mark.parametrize("ways", WAYS)
def test_an_error_in_reading_comes_after_what_was_read(ways: dict[str, Any]) -> None:
    def tasks() -> Iterator[int]:
        yield from (1, 2)
        raise InputError("third: broken")

    results = run(abs, tasks(), **ways)
    assert [next(results).value(), next(results).value()] == [1, 2]
    with pytest.raises(InputError, match="third: broken"):
        next(results)


@pytest.mark.parametrize("ways", WAYS)
def test_without_tasks_there_is_nothing_to_do(ways: dict[str, Any]) -> None:
    assert list(run(abs, [], **ways)) == []
    assert run_side_by_side(abs, {}, jobs=2) == {}


def test_fewer_jobs_than_one_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="jobs is 0: at least 1 process is needed"):
        run(abs, [], jobs=0)


def raise_named(name: str) -> None:
    raise MissingExtra("PESQ", "pesq") if name == "MissingExtra" else getattr(errors, name)(f"{name} of ours")


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_keep_their_class_and_text_on_the_way(jobs: int) -> None:
    ours = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, SepvaeError)]
    assert len(ours) == 8
    for result in run(raise_named, ours, jobs=jobs):
        with pytest.raises(getattr(errors, result.name)) as caught:
            result.value("task")
        assert type(caught.value) is getattr(errors, result.name)
        text = "PESQ needs the optional extra 'pesq': pip install 'sepvae[pesq]'"
        assert str(caught.value) == f"task: {text if result.name == 'MissingExtra' else f'{result.name} of ours'}"
        assert (caught.value.__cause__ is not None) == (jobs == 1)


class Unsendable:
    def __reduce__(self) -> Any:
        raise TypeError("stays here")


class Unreadable:
    def __reduce__(self) -> Any:
        return int, ("no number",)


def unsendable(_: object) -> Any:
    return Unsendable()


def test_what_cannot_be_sent_is_an_error_of_its_task() -> None:
    with pytest.raises(TypeError, match="stays here"):
        list(run(partial(id, Unsendable()), [1], jobs=2))
    for task, work in ((Unsendable(), id), (Unreadable(), id), (1, unsendable)):
        first, second = run(work, [task, 2], jobs=2)
        assert first.error in ("TypeError", "ValueError")
        assert first.text.startswith(("stays here", "invalid literal"))
        assert bool(second.error) == (work is unsendable)


@posix
def test_a_killed_process_is_named_with_its_task_and_the_others_go_on() -> None:
    results = list(run(die, range(6), jobs=2, name=lambda number: f"block {number}"))
    assert [result._value for result in results] == [0, 1, None, 3, 4, 5]
    with pytest.raises(KilledWorker, match=r"^block 2: its process ended \(SIGKILL, most often for want of memory\): "):
        results[2].value()
    with pytest.raises(KilledWorker, match=r"^system 2: its process ended .*, with fewer --jobs$"):
        results[2].value("system 2")


def test_a_process_that_ends_by_itself_is_named_too() -> None:
    (result, other) = run(os._exit, [3, 3], jobs=2)
    for one in (result, other):
        with pytest.raises(KilledWorker, match=r"3: its process ended \(code 3\)"):
            one.value()


def test_processes_that_cannot_begin_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(KilledWorker, match=r"a process ended \(code 1\) before it could begin"):
        list(run(abs, [1, 2], jobs=2, prepare=partial(os._exit, 1)))
    with pytest.raises(InputError, match="ours"):
        list(run(abs, [1, 2], jobs=2, prepare=partial(fail, "ours")))
    with pytest.raises(InputError, match="ours"):
        list(run(abs, [1, 2], jobs=1, prepare=partial(fail, "ours")))


def test_a_process_has_its_threads() -> None:
    """Here torch comes with what prepares it; that it is loaded by the work is tested side by side."""
    import torch

    before = os.environ.get("OMP_NUM_THREADS")
    for result in run(describe, range(4), jobs=2, threads=3, prepare=partial(torch.is_tensor, 0)):
        _, process, found = result.value()
        assert process != os.getpid()
        assert found == 3
    assert os.environ.get("OMP_NUM_THREADS") == before


def blas_threads(_: object) -> set[int]:
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    return {pool["num_threads"] for pool in threadpool_info()}


def test_linear_algebra_has_the_same_threads() -> None:
    pytest.importorskip("threadpoolctl")
    assert [result.value() for result in run(blas_threads, [0, 1], jobs=2, threads=1)] == [{1}, {1}]
    assert [result.value() for result in run(blas_threads, [0, 1], jobs=2, threads=2)] == [{2}, {2}]


def test_one_thread_is_put_back() -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread():
            assert torch.get_num_threads() == 1
            assert blas_threads(0) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[str]:
    """A plug-in in a file, which registers a mask and a function."""
    path = tmp_path / "pool_plugin.py"
    path.write_text(
        "import sepvae.plugins\n"
        "def halve(value):\n    return value / 2\n"
        "sepvae.plugins.register('mask', 'half', halve)\n"
    )
    plugins.load([str(path)])
    yield "half"
    plugins._loaded.pop(str(path))
    del sys.modules["pool_plugin"]
    del plugins.table("mask")._entries["half"], plugins.table("mask")._registered["half"]


def look_up(name: str) -> float:
    return float(plugins.table("mask").resolve(name)(3.0))


def test_plug_ins_are_loaded_in_every_process(plugin: str) -> None:
    assert [result.value() for result in run(look_up, [plugin] * 3, jobs=2)] == [1.5] * 3
    # What the plug-in defines can be the work, and among the tasks.
    halve = plugins.table("mask").resolve(plugin)
    assert [result.value() for result in run(halve, [1, 2], jobs=2)] == [0.5, 1.0]
    assert [result.value() for result in run(callable, [halve], jobs=2)] == [True]


def test_a_plug_in_that_is_gone_is_named(plugin: str) -> None:
    Path(plugins.loaded()[-1]).unlink()
    with pytest.raises(ConfigError, match=r"plug-in .*pool_plugin.py: "):
        list(run(look_up, [plugin], jobs=2))


def log(number: int) -> None:
    logger = logging.getLogger("sepvae.work")
    logger.debug("not of interest")
    logger.warning("%d of %s is odd", number, "all")
    if number == 2:
        fail("two")


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_process_logs_comes_here(jobs: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="sepvae"):
        assert len(list(run(log, range(3), jobs=jobs))) == 3
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"{number} of all is odd" for number in range(3)
    ]
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="sepvae"):
        assert len(list(run(log, range(3), jobs=jobs, name="task {}".format))) == 3
    assert caplog.text.count("not of interest") == 3
    # For who looks for the cause: the error has its trace.
    assert "task 2" in caplog.text
    assert "ZeroDivisionError: two" in caplog.text


def own_number(_: object) -> int:
    return os.getpid()


def write_number(folder: str) -> None:
    with (Path(folder) / f"{os.getpid()}").open("x") as file:
        file.write(f"{os.getpid()}")


def test_all_processes_prepare_once_also_for_few_tasks(tmp_path: Path) -> None:
    prepare = partial(write_number, str(tmp_path))
    for result in run(own_number, range(6), jobs=2, prepare=prepare):
        assert (tmp_path / f"{result.value()}").is_file()
    (result,) = run(partial(pids, count=2), [tmp_path], jobs=2, prepare=prepare)
    assert len(result.value()) >= 2


def inner(_: object) -> list[int]:
    return [result.value() for result in run(own_number, range(3), jobs=3)]


def test_a_process_starts_none_of_its_own() -> None:
    (first, second) = run(inner, [0, 1], jobs=2)
    assert len(set(first.value())) == 1
    assert os.getpid() not in (*first.value(), *second.value())


def train(name: str) -> str:
    with progress("train", 4, unit="steps") as job:
        for step in range(4):
            job.advance()
            job.show(milestone=True, loss=1 / (step + 1))
    return name


def test_jobs_in_processes_are_heard_here(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, int, float]] = []

    def hear(event: Event) -> None:
        seen.append((event.kind, event.job.done, event.job.fields.get("loss", 0.0)))

    with listening(hear):
        assert run_side_by_side(train, {"a": ("a",), "b": ("b",)}, jobs=2) == {"a": "a", "b": "b"}
    assert sorted(one for one in seen if one[0] != "update") == [("end", 4, 0.25)] * 2 + [("start", 0, 0.0)] * 2
    assert {one for one in seen if one[0] == "update"} >= {("update", step, 1 / step) for step in (1, 2, 3, 4)}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_cancel_ends_what_is_waited_for(jobs: int, workers: Any) -> None:
    with listening(print) as listener:
        if jobs == 1:
            listener.cancel()
            with pytest.raises(Cancelled, match="train: stopped at 0 steps"):
                list(run(train, "ab", jobs=1))
            return
        threading.Timer(0.5, listener.cancel).start()
        with pytest.raises(Cancelled):
            list(run(time.sleep, [600, 600] if workers == "processes" else [2, 2, 2], jobs=2, workers=workers))


def test_side_by_side_has_its_share_of_the_cores_and_the_order_of_the_tasks() -> None:
    found = run_side_by_side(describe, {"b": (2,), "a": (1,)}, jobs=2)
    assert {name: number for name, (number, *_) in found.items()} == {"b": 2, "a": 1}
    assert list(found) == ["b", "a"]
    share = max(1, (os.cpu_count() or 1) // 2)
    for _, process, threads in found.values():
        assert process != os.getpid()
        assert threads == share


def test_side_by_side_with_one_job_or_task_runs_here() -> None:
    found = run_side_by_side(describe, {"a": (1,), "b": (2,)}, jobs=1)
    found |= run_side_by_side(describe, {"c": (1,)}, jobs=2)
    assert {process for _, process, _ in found.values()} == {os.getpid()}


@pytest.mark.parametrize(("reason", "text"), [("ours", "ours"), ("other", "ZeroDivisionError: other")])
@pytest.mark.parametrize("jobs", [1, 2])
def test_side_by_side_an_error_names_its_task(reason: str, text: str, jobs: int) -> None:
    with pytest.raises(InputError, match=f"^system [bc]: {text}$"):
        run_side_by_side(fail, {"b": (reason,), "c": (reason,)}, jobs=jobs, what="system")
    with pytest.raises(InputError, match=f"^[bc]: {text}$"):
        run_side_by_side(fail, {"b": (reason,), "c": (reason,)}, jobs=jobs)


def wait_or_die(folder: str, name: str) -> None:
    if name == "b":
        while not (Path(folder) / "a").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    wait(folder, name)


@posix
def test_side_by_side_a_process_that_is_killed_ends_the_others(tmp_path: Path) -> None:
    tasks = {name: (str(tmp_path), name) for name in "ab"}
    with pytest.raises(KilledWorker, match=r"^b: its process ended \(SIGKILL.*with fewer --jobs"):
        run_side_by_side(wait_or_die, tasks, jobs=2)
    assert_gone([int((tmp_path / "a").read_text())])


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process that has ended stays in the table until its new parent looks.
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()


def assert_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(alive(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@posix
def test_what_nobody_wants_any_more_is_ended(tmp_path: Path) -> None:
    results = run(partial(wait_after, str(tmp_path)), range(3), jobs=3, ordered=False)
    next(results)
    processes = pids(tmp_path, 2)
    results.close()
    assert_gone(processes)


def write_half(folder: str, number: int) -> None:
    with atomic_file(Path(folder) / "made" / f"{number}") as part:
        part.write_text("half")
        wait(folder, f"started/{number}")


@posix
def test_what_is_ended_closes_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "started").mkdir()

    def cancel() -> None:
        pids(tmp_path / "started", 2)
        listener.cancel()

    with listening(print) as listener:
        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(Cancelled):
            list(run(partial(write_half, str(tmp_path)), range(2), jobs=2))
        thread.join()
    assert not list((tmp_path / "made").iterdir())


def wait_after(folder: str, number: int) -> None:
    if number:
        wait(folder)
    pids(Path(folder), 2)


def pids(folder: Path, count: int) -> list[int]:
    """Wait until so many processes have left their numbers."""
    deadline = time.monotonic() + 120
    while len(found := [path for path in folder.iterdir() if path.read_text()]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(path.read_text()) for path in found]


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from functools import partial
from test_processes import wait
from sepvae.processes import run
if __name__ == "__main__":
    try:
        list(run(wait, [{folder!r}] * 2, jobs=2))
    except KeyboardInterrupt:
        sys.exit("stopped")
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], list[int]]]]:
    """What starts a program in a session of its own whose two processes wait, and returns their numbers."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], list[int]]:
        folder, script = tmp_path / "processes", tmp_path / "script.py"
        folder.mkdir()
        script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder)))
        command = [sys.executable, str(script)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True))
        return started[0], pids(folder, 2)

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


Waiting = Callable[[], tuple["subprocess.Popen[str]", list[int]]]


@posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_no_process_works_on_when_the_run_is_killed(waiting: Waiting, how: str) -> None:
    parent, processes = waiting()
    assert all(alive(process) for process in processes)
    os.kill(parent.pid, getattr(signal, how))
    parent.wait()
    assert_gone(processes)


@posix
def test_ctrl_c_ends_all_without_a_word_of_theirs(waiting: Waiting) -> None:
    parent, processes = waiting()
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate()[1] == "stopped\n"
    assert parent.returncode == 1
    assert_gone(processes)

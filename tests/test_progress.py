"""Progress: events for listeners, who can cancel; a bar on a terminal, lines in a log, and never a word on stdout."""

from __future__ import annotations

import contextvars
import io
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import progress as module
from sepvae.errors import Cancelled
from sepvae.progress import Event, counting, listening, progress
from sepvae.worker import Relay


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> module._Lines:
    """The display of logs, as in a new program."""
    lines = module._Lines()
    monkeypatch.setattr(module, "_LINES", lines)
    # The thread that looks for silence would look at the test's clock.
    monkeypatch.setattr(lines, "_watch", lambda _: None)
    return lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, lines: module._Lines) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def loud() -> Iterator[None]:
    yield
    module.configure(quiet=False)


def run(clock: Clock, steps: int, *, seconds_each: float, start: int = 0) -> None:
    with progress("train", steps, unit="steps", start=start) as bar:
        for step in range(start, steps):
            clock.now += seconds_each
            bar.advance()
            bar.show(loss=1 / (step + 1))


def test_a_log_gets_a_line_each_half_minute_with_share_rate_time_left_and_values(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 100, seconds_each=3.0)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [re.search(r"\d+ %", line)[0] for line in lines[:-1]] == [f"{share} %" for share in range(10, 100, 10)]  # type: ignore[index]
    assert lines[1] == "train: 20 % of 100 steps, 3 s each, 4:00 left, loss 0.05263"
    assert lines[-1] == "train: 100 steps in 5:00, loss 0.01"


@pytest.mark.parametrize(
    ("seconds_each", "text"),
    [
        (0.0005, "2000 steps/s"),
        (0.02, "50 steps/s"),
        (0.4, "2.5 steps/s"),
        (2.5, "2.5 s each"),
        (90.0, "1:30 each"),
        (4000.0, "1:06:40 each"),
    ],
)
def test_rates_are_told_in_plain_numbers(
    clock: Clock, capsys: pytest.CaptureFixture[str], seconds_each: float, text: str
) -> None:
    run(clock, 80_000 if seconds_each < 0.01 else 2000, seconds_each=seconds_each)
    assert f" steps, {text}, " in capsys.readouterr().err.splitlines()[0]


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 100, seconds_each=0.01)
    assert capsys.readouterr().err == ""


def test_a_resumed_job_is_timed_from_where_it_resumed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 100, seconds_each=3.0, start=70)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("train: 80 % of 100 steps, 3 s each, 1:00 left")
    assert lines[-1].startswith("train: 30 steps in 1:30")


def test_nothing_to_do_is_no_division_by_zero(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("nothing", 0) as bar:
        bar.show(loss=0.0)
        bar.advance(0)
    assert capsys.readouterr().err == ""


def test_quiet_is_silent(clock: Clock, capsys: pytest.CaptureFixture[str], loud: None) -> None:
    module.configure(quiet=True)
    run(clock, 100, seconds_each=3.0)
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_through_and_ends_the_bar(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="stop"), progress("train", 10) as bar:
        bar.advance(3)
        clock.now += 5
        raise RuntimeError("stop")
    assert capsys.readouterr().err == "train: 3 items in 0:05\n"


def test_an_epoch_is_worth_a_line_but_not_more_than_one_in_two_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    times: list[float] = []
    with progress("train", 1000, unit="steps") as job:
        for step in range(1000):
            clock.now += 0.05
            job.advance()
            if step % 10 == 9:
                job.show(milestone=True, loss=0.5, epoch=step // 10 + 1)
            times += [clock.now] * len(capsys.readouterr().err.splitlines())
    assert len(times) == 25
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 2 - 1e-9
    assert capsys.readouterr().err == "train: 1000 steps in 0:50, loss 0.5 epoch 100\n"


def test_slow_epochs_have_a_line_each(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 30, unit="steps") as job:
        for epoch in range(3):
            for _ in range(10):
                clock.now += 1
                job.advance()
            job.show(milestone=True, epoch=epoch + 1)
    assert capsys.readouterr().err.splitlines() == [
        "train: 33 % of 30 steps, 1 steps/s, 0:20 left, epoch 1",
        "train: 66 % of 30 steps, 1 steps/s, 0:10 left, epoch 2",
        "train: 30 steps in 0:30, epoch 3",
    ]


@given(steps=st.lists(st.tuples(st.floats(0, 50), st.booleans(), st.sampled_from("ab")), max_size=40))
def test_lines_are_never_closer_than_two_seconds(steps: list[tuple[float, bool, str]]) -> None:
    """Whatever two jobs do; no time without an event is longer than what was waited for it."""
    clock, lines, times = Clock(), module._Lines(), list[float]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "monotonic", clock)
        patch.setattr(lines, "_watch", lambda _: None)
        patch.setattr(module, "_LINES", lines)
        patch.setattr(module.sys, "stderr", mock := io.StringIO())
        with progress("one", 9) as a, progress("two", None) as b:
            jobs, began = {"a": a, "b": b}, clock.now
            for seconds, milestone, which in steps:
                for _ in range(int(seconds)):
                    clock.now += 1
                    lines.beat()
                    times += [clock.now] * mock.getvalue().count("\n")
                    mock.seek(0), mock.truncate()
                clock.now += seconds % 1
                jobs[which].show(milestone=milestone)
                times += [clock.now] * mock.getvalue().count("\n")
                mock.seek(0), mock.truncate()
            ended = clock.now
    gaps = [later - earlier for earlier, later in zip([began, *times], [*times, ended], strict=True)]
    assert all(gap >= 2 - 1e-6 for gap in gaps[1:-1])
    # Silence is noticed within a second.
    assert max(gaps) <= 31 + 1


def test_a_unit_that_takes_minutes_is_no_silence(clock: Clock, lines: module._Lines, capsys: Any) -> None:
    with progress("separate", 4, unit="files"), progress("waves", None, unit="mixtures") as inner:
        for _ in range(95):
            clock.now += 1
            lines.beat()
        inner.advance(3)
    assert capsys.readouterr().err.splitlines() == [
        "separate: waves: 0 mixtures, 0:30 so far",
        "separate: waves: 0 mixtures, 1:00 so far",
        "separate: waves: 0 mixtures, 1:30 so far",
        "separate: waves: 3 mixtures in 1:35",
        "separate: 0 files in 1:35",
    ]


def test_the_end_of_a_whole_is_told_by_that_of_its_last_part(clock: Clock, capsys: Any) -> None:
    with progress("stage", 1) as stage:
        with progress("train", 3, unit="steps") as job:
            clock.now += 5
            job.advance(3)
        clock.now += 1
        stage.advance()
    assert capsys.readouterr().err == "stage: train: 3 steps in 0:05\n"
    with progress("stage", 1) as stage:
        with progress("train", 3, unit="steps") as job:
            clock.now += 5
            job.advance(3)
        clock.now += 3
        stage.advance()
    assert capsys.readouterr().err == "stage: train: 3 steps in 0:05\nstage: done in 0:08\n"
    with pytest.raises(ValueError, match="no"), progress("stage", 1):
        clock.now += 5
        raise ValueError("no")
    assert capsys.readouterr().err == "stage: stopped after 0:05\n"


def test_the_heart_beats_as_long_as_a_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = threading.Event()
    lines = module._Lines()
    monkeypatch.setattr(module, "_LINES", lines)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(lines, "beat", beats.set)
    before = set(threading.enumerate())
    with progress("separate", 4), progress("inner", 2):
        (heart,) = set(threading.enumerate()) - before
        assert heart.daemon
        assert beats.wait(60)
    heart.join(60)
    assert not heart.is_alive()


def test_events_tell_listeners_of_the_block_alone(loud: None) -> None:
    module.configure(quiet=True)
    seen: list[tuple[str, str, int, int | None, dict[str, float], bool]] = []

    def hear(event: Event) -> None:
        job = event.job
        seen.append((event.kind, job.description, job.done, job.total, dict(job.fields), event.milestone))

    with progress("before", 1) as job:
        with listening(hear), progress("train", 2, unit="steps", start=1) as inner:
            inner.advance()
            inner.show(milestone=True, loss=0.5)
            job.advance()
        job.show(loss=1)
    with progress("after", 1):
        pass
    assert seen == [
        ("start", "before: train", 1, 2, {}, False),
        ("update", "before: train", 2, 2, {}, False),
        ("update", "before: train", 2, 2, {"loss": 0.5}, True),
        ("end", "before: train", 2, 2, {"loss": 0.5}, False),
    ]


def test_rate_and_time_left(clock: Clock) -> None:
    with progress("train", 10, start=4) as job:
        assert (job.rate, job.seconds_left) == (None, None)
        clock.now += 6
        job.advance(3)
        assert (job.elapsed_s, job.rate, job.seconds_left) == (6, 0.5, 6)
    with progress("read", None) as job:
        clock.now += 1
        job.advance()
        assert (job.rate, job.seconds_left) == (1, None)


def test_cancel_is_raised_at_the_next_step_and_by_all_that_follows() -> None:
    with listening(lambda _: None) as listener, progress("outer", 9) as outer, progress("inner", 9) as inner:
        inner.advance()
        listener.cancel()
        with pytest.raises(Cancelled, match=r"^outer: inner: stopped at 2 items: what was done is kept$"):
            inner.advance()
        with pytest.raises(Cancelled, match=r"^outer: stopped at 1 items"):
            outer.advance()
        with pytest.raises(Cancelled), progress("next", 1):
            pytest.fail("it has begun")
        with pytest.raises(Cancelled):
            module.check()
    module.check()
    with progress("later", 1) as job:
        job.advance()


def test_cancel_from_another_thread() -> None:
    with listening(lambda _: None) as listener, pytest.raises(Cancelled), progress("train", None) as job:
        threading.Timer(0.05, listener.cancel).start()
        while True:
            job.advance()


def test_a_listener_that_fails_ends_no_work(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def fail(event: Event) -> None:
        calls.append(event.job.done)
        raise OSError("the page is gone")

    with listening(fail), progress("train", 3) as job:
        for _ in range(3):
            job.advance()
    assert calls == [0]
    assert caplog.text.count("a listener to progress failed") == 1
    assert "the page is gone" in caplog.text


def test_a_log_that_is_gone_ends_no_work(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(module.sys, "stderr", Gone())
    run(clock, 100, seconds_each=3.0)


def test_threads_and_blocks_have_their_own_listeners() -> None:
    seen: list[str] = []

    def other() -> None:
        with progress("other", 1):
            pass

    with listening(lambda event: seen.append(event.job.description)):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with progress("own", 1):
            pass
    assert seen == ["own", "own"]


def test_events_of_another_process_are_told_as_here(
    clock: Clock, capsys: pytest.CaptureFixture[str], loud: None
) -> None:
    """What a process sends is pickled: send, pickle, relay; of quick steps some are left out, of milestones none."""
    sent: list[bytes] = []

    def away() -> None:
        module.forward(lambda event: sent.append(bytes(ForkingPickler.dumps(event))))
        with progress("train", 100, unit="steps") as job:
            for step in range(100):
                clock.now += 0.1
                job.advance()
                if step % 25 == 24:
                    job.show(milestone=True, loss=1 / (step + 1))

    contextvars.copy_context().run(away)
    assert capsys.readouterr().err == ""
    assert 10 < len(sent) < 40
    module.configure(quiet=False)
    relay, seen = Relay(), list[tuple[str, int]]()
    with listening(lambda event: seen.append((event.kind, event.job.done))):
        for data in sent:
            clock.now += 0.5
            relay.receive(ForkingPickler.loads(data))
    assert seen[0] == ("start", 0)
    assert seen[-1] == ("end", 100)
    assert {("update", done) for done in (25, 50, 75, 100)} <= set(seen)
    assert seen[1:-1] == sorted(seen[1:-1])
    *lines, last = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.match(r"train: \d+ % of 100 steps, ", line) for line in lines)
    assert re.fullmatch(r"train: 100 steps in 0:\d\d, loss 0.01", last)


def test_a_process_that_has_ended_leaves_no_job(clock: Clock) -> None:
    relay, seen, events = Relay(), list[str](), list[Event]()

    def away() -> None:
        module.forward(events.append)
        with progress("train", 3):
            pass

    contextvars.copy_context().run(away)
    module.configure(quiet=False)
    with listening(lambda event: seen.append(event.kind)):
        relay.receive(events[0])
        relay.close()
        relay.close()
    assert seen == ["start", "end"]


def terminal(code: str) -> tuple[str, str]:
    """Run code with a terminal as stderr, and return what comes on it, without its colours, and on stdout."""
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stderr=follower, stdout=subprocess.PIPE, env=environment) as child:
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 1 << 16)
            except OSError:  # Linux ends a pseudo-terminal with an error
                break
            if not chunk:
                break
            seen += chunk
        assert child.stdout is not None
        out = child.stdout.read().decode()
    os.close(leader)
    assert child.returncode == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()), out


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a thing of POSIX")
def test_a_terminal_gets_a_live_bar_and_stdout_the_results() -> None:
    """In brackets as in `[/b]`, a name would be markup to rich, and an error."""
    text, out = terminal(
        "from sepvae.progress import progress\n"
        "with progress('speak [/b]', 4, unit='files') as bar:\n"
        "    for number in range(4):\n"
        "        print('result', number)\n"
        "        bar.advance(); bar.show(loss=0.25)\n"
    )
    assert out.splitlines() == [f"result {number}" for number in range(4)]
    assert "result" not in text
    assert "speak [/b]" in text
    assert "4/4" in text
    assert "loss 0.25" in text
    assert "files/s" in text


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a thing of POSIX")
def test_a_terminal_shows_jobs_within_jobs() -> None:
    text, _ = terminal(
        "import sepvae.progress as module\n"
        "module._LINES_APART_S = 0\n"
        "with module.progress('groups', 2, unit='groups') as outer:\n"
        "    for number in range(2):\n"
        "        with module.progress('train', None, unit='steps') as inner:\n"
        "            inner.advance(7)\n"
        "        outer.advance()\n"
    )
    assert text.count("groups: train: 7 steps in 0:00") == 2
    assert "2/2" in text


def test_items_are_counted_while_others_go_through_them() -> None:
    seen: list[tuple[str, str, int]] = []
    with listening(lambda event: seen.append((event.kind, event.job.description, event.job.done))):
        for item in counting("headers", ["a", "b"], unit="files"):
            if item == "a":
                with progress("audio", 1) as job:
                    job.reach(0)
                    job.reach(1)
                    job.reach(1)
        # One that is left in the middle ends too.
        with progress("whole", 1):
            for _ in counting("part", [1, 2]):
                break
    assert seen == [
        ("start", "headers", 0),
        ("start", "audio", 0),
        ("update", "audio", 1),
        ("end", "audio", 1),
        ("update", "headers", 1),
        ("update", "headers", 2),
        ("end", "headers", 2),
        ("start", "whole", 0),
        ("start", "whole: part", 0),
        ("end", "whole: part", 0),
        ("end", "whole", 0),
    ]


def test_counting_ends_when_a_listener_wants_no_more() -> None:
    kinds: list[str] = []
    with listening(lambda event: kinds.append(event.kind)) as listener, pytest.raises(Cancelled, match="headers"):
        for _ in counting("headers", [1, 2, 3]):
            listener.cancel()
    assert kinds == ["start", "update", "end"]

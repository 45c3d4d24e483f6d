"""Progress: a bar on a terminal, a few lines in a log, nothing when quiet, and never a word on stdout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sepvae import progress as module
from sepvae.progress import progress


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
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


def test_a_log_gets_a_few_lines_with_share_rate_time_left_and_values(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 100, seconds_each=3.0)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [re.search(r"\d+ %", line)[0] for line in lines[:-1]] == ["20 %", "40 %", "60 %", "80 %", "100 %"]  # type: ignore[index]
    assert lines[0] == "train: 20 % of 100 steps, 3 s each, 4:00 left, loss 0.05263"
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
    run(clock, 50_000 if seconds_each < 0.01 else 1000, seconds_each=seconds_each)
    assert f" steps, {text}, " in capsys.readouterr().err.splitlines()[0]


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 100, seconds_each=0.01)
    assert capsys.readouterr().err == ""


def test_a_resumed_job_is_timed_from_where_it_resumed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, 100, seconds_each=3.0, start=70)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("train: 80 % of 100 steps, 3 s each, 1:00 left")


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


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a thing of POSIX")
def test_a_terminal_gets_a_live_bar() -> None:
    """In brackets as in `[/b]`, a name would be markup to rich, and an error."""
    import pty

    code = (
        "from sepvae.progress import progress\n"
        "with progress('speak [/b]', 4, unit='files') as bar:\n"
        "    for _ in range(4):\n"
        "        bar.advance(); bar.show(loss=0.25)\n"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=follower, stdout=subprocess.PIPE, env=environment
    ) as child:
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
        assert child.stdout.read() == b""
    os.close(leader)
    assert child.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "speak [/b]" in text
    assert "4/4" in text
    assert "loss 0.25" in text
    assert "files/s" in text

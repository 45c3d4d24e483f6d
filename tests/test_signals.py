"""Requests to end, as exceptions: raised once, in programs alone, and not where somebody else handles them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sepvae import signals
from sepvae.errors import Terminated

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="processes are asked to end in another way there"),
    pytest.mark.usefixtures("heard_signals"),
]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_is_raised_once(name: str) -> None:
    number, closed = getattr(signal, name), []
    with pytest.raises(Terminated) as caught, signals.raising():
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        finally:
            # A second one disturbs nobody who closes what is open.
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            closed.append(True)
    assert caught.value.number == number and closed
    assert signal.getsignal(number) is signal.SIG_DFL


def test_who_does_not_listen_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_PATIENCE_S", 0.0)
    with signals.raising():
        for _ in range(2):
            with pytest.raises(Terminated):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)


def test_what_others_handle_or_ignore_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raising():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_leaves_signals_alone() -> None:
    found = []

    def look() -> None:
        with signals.raising():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_requests_that_are_held_back_come_afterwards() -> None:
    with pytest.raises(Terminated), signals.raising():
        with signals.held_back():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            held = signal.SIGTERM in signal.sigpending()
        time.sleep(10)
    assert held


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_program_that_is_done_keeps_its_exit_code() -> None:
    code = (
        "import os, signal, sys; from sepvae import signals; signals.ignore_from_here()\n"
        "for number in (signal.SIGINT, signal.SIGTERM): os.kill(os.getpid(), number)\n"
        "sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 7

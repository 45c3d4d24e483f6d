"""A program that runs the command line in children of its own, each of which can be made to end at a point.

It has loaded what is slow to load, so that a child takes the time of its work alone. A job is a line of JSON on stdin,
and what became of it is one on stdout.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_LOADED = (
    *("torch.utils.tensorboard", "lightning_fabric", "sepvae.training.loop", "sepvae.separation.separator"),
    *("sepvae.demixing.demixer", "sepvae.enhancement.enhancer", "sepvae.augmented.run", "sepvae.evaluation.many"),
    *("sepvae.corpora.demo", "sepvae.recipe.run", "sepvae.recipe.separation.run", "sepvae.mixing.protocol"),
)
_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def child(job: dict[str, Any], report: int) -> int:
    """Run the command; at the event of the number `point` with a file below `folder`, end by the signal."""
    from sepvae import signals
    from sepvae.cli import main

    os.setsid()
    for handle, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(job["log"]) / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), handle)
    seen = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        named = event in _EVENTS and isinstance(arguments[0], (str, bytes, os.PathLike))
        if named and os.fsdecode(arguments[0]).startswith(job["folder"]):
            seen += 1
            if seen == job.get("point"):
                os.kill(os.getpid(), job["signal"])

    sys.addaudithook(look)
    try:
        code = main(job["argv"])
        # As the program does.
        signals.ignore_from_here()
        return code
    finally:
        os.write(report, str(seen).encode())


def alive(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found


def follow(process: int, job: dict[str, Any], report: int) -> dict[str, Any]:
    """Wait for the end of a child, after a delay by a signal, and for that of what it started."""
    if "delay" in job:
        time.sleep(job["delay"])
        os.kill(process, job["signal"])
    _, status = os.waitpid(process, 0)
    seen, patience = os.read(report, 100), time.monotonic() + 30
    while (left := alive(process)) and time.monotonic() < patience:
        time.sleep(0.02)
    error = (Path(job["log"]) / "stderr").read_text(errors="replace")
    return {"code": os.waitstatus_to_exitcode(status), "events": int(seen or 0), "left": left, "stderr": error}


def serve() -> None:
    """Do the jobs of stdin."""
    for name in _LOADED:
        importlib.import_module(name)
    sys.stdout.write("ready\n")
    for line in sys.stdin:
        sys.stdout.flush()
        job = json.loads(line)
        report, other = os.pipe()
        if process := os.fork():
            os.close(other)
            sys.stdout.write(json.dumps(follow(process, job, report)) + "\n")
            os.close(report)
            sys.stdout.flush()
        else:
            # Whoever started the tests may ignore them.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            sys.exit(child(job, other))


if __name__ == "__main__":
    serve()

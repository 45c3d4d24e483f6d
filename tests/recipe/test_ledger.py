"""The memory of a run: what is skipped, and what is done again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sepvae.recipe import ledger as ledger_module
from sepvae.recipe.ledger import Ledger, fingerprint


class Work:
    """A stage that writes a file and counts how often it ran."""

    def __init__(self, output: Path) -> None:
        self.output, self.runs = output, 0

    def __call__(self) -> None:
        self.runs += 1
        self.output.write_text("result")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "output.txt")


def test_a_stage_runs_once_for_the_same_inputs(tmp_path: Path, work: Work) -> None:
    for _ in range(2):
        Ledger(tmp_path / "stages").run("mix", {"seed": 1}, [work.output], work)
    assert work.runs == 1


@pytest.mark.parametrize("change", ["inputs", "output gone", "output changed"])
def test_a_stage_runs_again_when_something_changed(tmp_path: Path, work: Work, change: str) -> None:
    ledger = Ledger(tmp_path / "stages")
    ledger.run("mix", {"seed": 1}, [work.output], work)
    if change == "output gone":
        work.output.unlink()
    elif change == "output changed":
        work.output.write_text("edited")
    ledger.run("mix", {"seed": 2 if change == "inputs" else 1}, [work.output], work)
    assert work.runs == 2


def test_a_stage_that_failed_is_not_done(tmp_path: Path, work: Work) -> None:
    ledger = Ledger(tmp_path / "stages")

    def fail() -> None:
        work.output.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.run("mix", 1, [work.output], fail)
    ledger.run("mix", 1, [work.output], work)
    assert work.runs == 1


def test_later_stages_see_the_content_of_earlier_ones(tmp_path: Path, work: Work) -> None:
    ledger = Ledger(tmp_path / "stages")
    first = ledger.run("mix", 1, [work.output], work)
    work.output.write_text("other")
    (tmp_path / "stages" / "mix.json").unlink()
    second = ledger.run("mix", 1, [work.output], lambda: None)
    assert first != second


def test_what_a_stopped_stage_left_is_kept_for_the_same_inputs_and_removed_for_others(tmp_path: Path) -> None:
    ledger, half = Ledger(tmp_path / "stages"), tmp_path / "run" / "state.txt"

    def stop() -> None:
        half.parent.mkdir(exist_ok=True)
        half.write_text("half")
        raise KeyboardInterrupt

    seen: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        ledger.run("train", 1, [half.parent], stop)
    with pytest.raises(KeyboardInterrupt):
        ledger.run("train", 1, [half.parent], lambda: (seen.append(half.exists()), stop())[1])
    ledger.run("train", 2, [half.parent], lambda: seen.append(half.exists()))
    assert seen == [True, False]


def test_a_folder_whose_files_changed_but_not_their_sizes_is_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("one")
    before = fingerprint(tmp_path / "a")
    (tmp_path / "a" / "x").write_text("two")
    assert fingerprint(tmp_path / "a") != before


def burn(seconds: float) -> None:
    """Compute for so long, by the clock of the processor."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_receipt_says_what_a_stage_took(tmp_path: Path, work: Work) -> None:
    ledger = Ledger(tmp_path / "stages")
    ledger.run("mix", 1, [work.output], lambda: (burn(0.2), work())[1])
    first = ledger.receipt("mix")
    assert 0.2 <= (first.core_seconds or 0.0) < 5
    assert first.processor is not None and first.processor["cores"]
    assert first.date is not None
    # Who skips it has it from the record.
    Ledger(tmp_path / "stages").run("mix", 1, [work.output], work)
    assert Ledger(tmp_path / "stages").receipt("mix") == first
    assert ledger.receipt("never done") == (None, None, None)


def test_the_time_of_attempts_that_were_stopped_counts(tmp_path: Path, work: Work) -> None:
    ledger = Ledger(tmp_path / "stages")

    def stop() -> None:
        burn(0.3)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ledger.run("train", 1, [work.output], stop)
    ledger.run("train", 1, [work.output], work)
    assert (ledger.receipt("train").core_seconds or 0.0) >= 0.6
    # Other work, whose time is its own.
    ledger.run("train", 2, [work.output], work)
    last = ledger.receipt("train").core_seconds
    assert last is not None and last < 0.3


def test_the_time_of_an_attempt_that_was_killed_is_noted_while_it_runs(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_NOTE_EVERY_S", 0.02)
    ledger, seen = Ledger(tmp_path / "stages"), list[float]()

    def look() -> None:
        burn(0.3)
        time.sleep(0.2)
        seen.append(ledger.receipt("train").core_seconds or 0.0)

    ledger.run("train", 1, [work.output], look)
    assert seen[0] >= 0.2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the time of processes that have ended")
def test_the_time_of_processes_of_a_stage_counts(tmp_path: Path, work: Work) -> None:
    ledger = Ledger(tmp_path / "stages")
    code = "import time\nwhile time.process_time() < 0.4: pass"
    ledger.run("score", 1, [work.output], lambda: (subprocess.run([sys.executable, "-c", code]), work())[1])
    assert (ledger.receipt("score").core_seconds or 0.0) >= 0.3


def test_a_record_of_another_version_does_not_say_how_long_it_took(tmp_path: Path, work: Work) -> None:
    ledger, record = Ledger(tmp_path / "stages"), tmp_path / "stages" / "train.json"
    ledger.run("train", 1, [work.output], work)
    known = json.loads(record.read_text())
    record.write_text(json.dumps({"inputs": known["inputs"], "outputs": None}))
    ledger.run("train", 1, [work.output], work)
    assert ledger.receipt("train").core_seconds is None

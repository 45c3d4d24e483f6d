"""Scores of many items: the same rows for any number of processes, and a reason where an item has none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sepvae import seeds
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation.many import ScoreTask, score_many
from sepvae.evaluation.unusable import UnusableSignalError

MEASURES = ("sdr_bsseval_v3_512", "si_sdr", "estoi")


def task(number: int) -> ScoreTask:
    female, male = seeds.generator(0, "many", number).standard_normal((2, 8000))
    references = {"female": female, "male": male}
    noisy = {name: wave + 0.1 * female[::-1] for name, wave in references.items()}
    return ScoreTask(f"item{number}", references, {"noisy": noisy}, female + male, 16000)


class Killer:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def test_rows_come_in_order_and_do_not_depend_on_the_number_of_processes() -> None:
    n_threads = torch.get_num_threads()
    alone = list(score_many(map(task, range(5)), measures=MEASURES))
    assert [rows[0].item for rows in alone] == [f"item{number}" for number in range(5)]
    assert torch.get_num_threads() == n_threads
    assert repr(list(score_many(map(task, range(5)), measures=MEASURES, jobs=2))) == repr(alone)


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = []

    def tasks() -> Iterator[ScoreTask]:
        for number in range(100):
            taken.append(number)
            yield task(number)

    scores = score_many(tasks(), measures=["si_sdr"])
    next(scores)
    assert len(taken) <= 2


class Broken:
    """An item whose signals cannot be had."""

    item, sources = "broken", {"s": ("a", "b")}

    def __init__(self, kind: type[Exception], *arguments: str) -> None:
        self.kind, self.arguments = kind, arguments

    def load(self) -> ScoreTask:
        raise self.kind(*self.arguments)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Broken(UnusableSignalError, "reference_missing", "a.wav: there is no file"), "reference_missing"),
        (Broken(InputError, "a.wav: damaged"), "not_scored"),
        (Broken(MemoryError), "out_of_memory"),
        (Broken(RuntimeError, "DefaultCPUAllocator: can't allocate memory: you tried to …"), "out_of_memory"),
        (Broken(ZeroDivisionError, "division by zero"), "not_scored"),
    ],
)
def test_an_item_that_cannot_be_scored_has_a_reason_and_the_others_their_scores(
    broken: Broken, reason: str, jobs: int, caplog: pytest.LogCaptureFixture
) -> None:
    found = list(score_many([task(0), broken, task(1)], measures=["si_sdr"], jobs=jobs))
    assert [rows[0].item for rows in found] == ["item0", "broken", "item1"]
    assert [(row.system, row.source, row.reasons) for row in found[1]] == [
        ("s", "a", {"si_sdr": reason}),
        ("s", "b", {"si_sdr": reason}),
    ]
    assert not any(row.reasons for rows in (found[0], found[2]) for row in rows)
    assert "item 'broken' cannot be scored: " in caplog.text


def test_a_signal_of_another_length_is_told(caplog: pytest.LogCaptureFixture) -> None:
    bad = ScoreTask("broken", {"a": np.ones(10)}, {"s": {"a": np.ones(9)}}, np.ones(10), 16000)
    ((row,),) = score_many([bad], measures=["si_sdr"])
    assert row.reasons == {"si_sdr": "not_scored"}
    assert "estimate 'a' has shape (9,), the mixture (10,)" in caplog.text


def test_what_is_wrong_with_the_run_ends_it() -> None:
    with pytest.raises(ConfigError, match="item 'broken' cannot be scored: no such method"):
        list(score_many([Broken(ConfigError, "no such method")], measures=["si_sdr"]))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_process_that_dies_costs_the_item_that_it_had(place: int, caplog: pytest.LogCaptureFixture) -> None:
    killer = ScoreTask("deadly", {"a": Killer()}, {"s": {"a": np.ones(10)}}, np.ones(10), 16000)  # type: ignore[dict-item]
    tasks = [task(0), task(1)]
    tasks.insert(place, killer)
    found = list(score_many(tasks, measures=["si_sdr"], jobs=2))
    assert [rows[0].item for rows in found] == [one.item for one in tasks]
    assert [row.reasons for row in found[place]] == [{"si_sdr": "process_killed"}]
    assert sum(bool(row.reasons) for rows in found for row in rows) == 1
    assert "item 'deadly' cannot be scored: its process ended (" in caplog.text
    assert "): try again with fewer --jobs" in caplog.text and "continue" not in caplog.text


def test_settings_are_checked_before_any_work() -> None:
    with pytest.raises(ConfigError, match="jobs is 0: at least 1 process is needed"):
        score_many([], jobs=0)
    with pytest.raises(ConfigError, match=r"unknown measure 'sdr': did you mean 'snr'. choose one of sdr_bss"):
        score_many([], measures=["sdr"])

"""Scores of many items: the same rows for any number of processes, and errors that name the item."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sepvae import seeds
from sepvae.errors import ConfigError, InputError, KilledWorker
from sepvae.evaluation.many import ScoreTask, score_many

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


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_item_that_cannot_be_scored_is_named(jobs: int) -> None:
    bad = ScoreTask("broken", {"a": np.ones(10)}, {"s": {"a": np.ones(9)}}, np.ones(10), 16000)
    scores = score_many([task(0), bad, task(1)], measures=["si_sdr"], jobs=jobs)
    assert next(scores)[0].item == "item0"
    with pytest.raises(InputError, match=r"item 'broken' cannot be scored.*estimate 'a' has shape \(9,\)"):
        next(scores)


def test_an_unforeseen_error_is_named_with_its_kind() -> None:
    bad = ScoreTask("odd", {"a": np.ones(10)}, {"s": {"a": np.array(["x"] * 10)}}, object(), 16000)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="item 'odd' cannot be scored"):
        list(score_many([bad], measures=["si_sdr"]))


def test_a_process_that_dies_names_the_item_that_it_had() -> None:
    killer = ScoreTask("deadly", {"a": Killer()}, {"s": {"a": np.ones(10)}}, np.ones(10), 16000)  # type: ignore[dict-item]
    scores = score_many([task(0), killer, task(1)], measures=["si_sdr"], jobs=2)
    assert next(scores)[0].item == "item0"
    with pytest.raises(KilledWorker, match=r"^item 'deadly' cannot be scored: its process ended .*fewer --jobs"):
        list(scores)
    with pytest.raises(KilledWorker, match="'deadly'"):
        list(score_many([task(0), killer], measures=["si_sdr"], jobs=2))


def test_settings_are_checked_before_any_work() -> None:
    with pytest.raises(ConfigError, match="jobs is 0: at least 1 process is needed"):
        score_many([], jobs=0)
    with pytest.raises(ConfigError, match=r"unknown measure 'sdr': did you mean 'snr'. choose one of sdr_bss"):
        score_many([], measures=["sdr"])

"""Every scheduler gives every task once, in bounded queues, and survives what it has to survive."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sepvae import plugins
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.run import RunOptions, augment_corpus
from sepvae.augmented.schedulers import dask_cluster, local_processes, scheduler
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.errors import InputError, KilledWorker

Contents = Callable[[Path], dict[str, str]]
SETTINGS = {"methods": ["noise", "speed", "speed+gain"], "copies": 2}


def test_tasks_are_taken_one_by_one() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = local_processes(abs, tasks(), workers=1)
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) == 2
    taken.clear()
    queued = local_processes(abs, tasks(), workers=2)
    next(queued)
    assert len(taken) < 20, "the queue does not grow with the corpus"
    assert len(list(queued)) == 99


def own_number(_: object) -> int:
    return os.getpid()


def test_the_choice_of_a_scheduler() -> None:
    assert set(scheduler()(own_number, range(3))) == {os.getpid()}
    assert os.getpid() not in set(scheduler(workers=2)(own_number, range(3)))
    assert sorted(scheduler(workers=2)(abs, range(-3, 0))) == [1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_workers_keep_their_names(workers: int) -> None:
    with pytest.raises(ValueError, match="ValueError: invalid literal"):
        list(local_processes(int, ["1", "x"], workers=workers))


def test_processes_prepare_before_the_first_task(tmp_path: Path) -> None:
    queued = local_processes(abs, [-1, 2], workers=2, prepare=partial(tempfile.mkdtemp, dir=tmp_path))
    assert next(queued) in (1, 2)
    assert list(tmp_path.iterdir())
    assert len(list(queued)) == 1


def test_a_killed_worker_is_named() -> None:
    block = "{} of the corpus".format
    with pytest.raises(KilledWorker, match=r"^1 of the corpus: its process ended .*: run the same command again"):
        list(local_processes(os._exit, [1], workers=2, name=block))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as local:
        yield local


def _kill_one(cluster: Any, folder: Path) -> None:
    """Kill a worker as soon as something is made."""
    give_up = time.monotonic() + 60
    while not list(folder.glob("audio/*/*.wav")) and time.monotonic() < give_up:
        time.sleep(0.005)
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_also_when_a_worker_is_killed(
    cluster: Any, corpus: Path, tmp_path: Path, contents: Contents
) -> None:
    config = parse_config(AugmentConfig, SETTINGS, where="test")
    augment_corpus(open_corpus(corpus), tmp_path / "straight", config)
    for name, disturbed in (("cluster", False), ("killed", True)):
        killer = threading.Thread(target=_kill_one, args=(cluster, tmp_path / name))
        if disturbed:
            killer.start()
        summary = augment_corpus(
            open_corpus(corpus), tmp_path / name, config, run=RunOptions(address=cluster.scheduler_address)
        )
        if disturbed:
            killer.join()
        assert (summary.n_records, summary.n_failures) == (72, 0)
        assert contents(tmp_path / name) == contents(tmp_path / "straight")


@pytest.mark.slow
def test_what_a_lost_worker_had_to_do_is_done(cluster: Any) -> None:
    results = dask_cluster(time.sleep, [0.2] * 12, address=cluster.scheduler_address)
    next(results)
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
    assert len(list(results)) == 11


def loaded(_: object) -> tuple[str, ...]:
    return plugins.loaded()


@pytest.mark.slow
def test_workers_of_a_cluster_load_the_plug_ins(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cluster_plugin.py"
    path.write_text("here = 1\n")
    monkeypatch.setattr(plugins, "_loaded", {str(path): "cluster_plugin"})
    results = dask_cluster(loaded, [0] * 4, address=cluster.scheduler_address)
    assert set(results) == {(str(path),)}


def test_no_scheduler_at_the_address() -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 .*start one with 'dask sch"):
        list(dask_cluster(abs, [1], address="tcp://127.0.0.1:1"))

"""Whole runs: the same bytes whatever the processes, shards, order and interruptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae import parts
from sepvae.augmented import WRITERS
from sepvae.augmented.run import RunOptions, parse_shard
from sepvae.errors import Cancelled, ConfigError, InputError
from sepvae.progress import Event, listening

from .conftest import augment, interrupted

Contents = Callable[[Path], dict[str, str]]


def test_two_processes_give_the_same_bytes(corpus: Path, whole: Path, tmp_path: Path, contents: Contents) -> None:
    augment(corpus, tmp_path / "out", how=RunOptions(jobs=2))
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cancelled_run_goes_on_to_the_same_bytes(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, jobs: int
) -> None:
    def hear(event: Event) -> None:
        if event.kind == "update" and event.job.description == "augmenting":
            listener.cancel()

    out = tmp_path / "out"
    with pytest.raises(Cancelled, match=r"^augmenting: stopped"), listening(hear) as listener:
        augment(corpus, out, how=RunOptions(jobs=jobs))
    assert augment(corpus, out, how=RunOptions(jobs=jobs)).n_records == 72
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_make_the_whole(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, order: tuple[int, ...]
) -> None:
    out = tmp_path / "out"
    summaries = [augment(corpus, out, how=RunOptions(shard=(shard, 3))) for shard in order]
    assert [summary.complete for summary in summaries] == [False, False, True]
    assert [summary.n_records for summary in summaries] == [24, 48, 72]
    assert contents(out) == contents(whole)


def test_paths_of_manifests_can_be_changed_afterwards(corpus: Path, tmp_path: Path, contents: Contents) -> None:
    for name, first in (("a", "relative"), ("b", "absolute")):
        augment(corpus, tmp_path / name, methods=["gain"], copies=1, how=RunOptions(paths=first))  # type: ignore[arg-type]
    before = contents(tmp_path / "a")
    augment(corpus, tmp_path / "a", methods=["gain"], copies=1, how=RunOptions(paths="absolute"))
    (line, *_) = (tmp_path / "a" / "kaldi" / "wav.scp").read_text().splitlines()
    assert line.split(" ")[1] == str(tmp_path / "a" / "audio" / "FABC0" / "FABC0_SX1-gain-1.wav")
    augment(corpus, tmp_path / "a", methods=["gain"], copies=1)
    assert contents(tmp_path / "a") == before


@pytest.mark.parametrize("kind", WRITERS)
def test_an_interrupted_run_goes_on_in_every_format(
    corpus: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings = {"output": {"format": kind, "utterances_per_archive": 4, "n_mels": 20}}
    augment(corpus, tmp_path / "straight", **settings)
    out = tmp_path / "out"
    interrupted(monkeypatch, corpus, out, 2, **settings)
    (journal,) = (out / ".work").glob("journal-*")
    with journal.open("ab") as file:
        file.write(b'{"block": 2, "failures": [], "rec')  # what a kill leaves
    folder = next(path for path in out.iterdir() if path.is_dir() and path.name != ".work")
    with parts.claimed(folder, "file") as part:
        left = part.name
    (folder / left).write_bytes(b"half a file")
    summary = augment(corpus, out, **settings)
    assert summary.n_records == 72
    assert contents(out) == contents(tmp_path / "straight")


def test_files_that_a_loss_of_power_took_are_made_again(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    interrupted(monkeypatch, corpus, out, 2)
    files = sorted((out / "audio").rglob("*.wav"))
    files[0].unlink()
    files[-1].write_bytes(b"")
    augment(corpus, out)
    assert contents(out) == contents(whole)


def test_a_file_that_is_lost_before_the_last_shard_is_done_is_named(
    corpus: Path, tmp_path: Path, whole: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    augment(corpus, out, how=RunOptions(shard=(1, 2)))
    lost = next((out / "audio").rglob("*.wav"))
    lost.unlink()
    with pytest.raises(InputError, match=f"{re.escape(str(lost))}: missing, or not of the size .*: run --shard 1/2 ag"):
        augment(corpus, out, how=RunOptions(shard=(2, 2)))
    assert not (out / "augmented.json").exists()
    assert augment(corpus, out, how=RunOptions(shard=(1, 2))).complete
    assert contents(out) == contents(whole)


def test_one_split_alone(corpus: Path, tmp_path: Path) -> None:
    assert augment(corpus, tmp_path / "out", split="train", methods=["gain"], copies=1).n_records == 12
    with pytest.raises(ConfigError, match="split 'tset': the corpus has none of that name, but train"):
        augment(corpus, tmp_path / "none", split="tset")


def test_shards_and_jobs_have_to_exist() -> None:
    for shard in ("0/2", "3/2", "1/0"):
        with pytest.raises(ConfigError, match=r"give K/N with K from 1 to N"):
            RunOptions(shard=parse_shard(shard))
    with pytest.raises(ConfigError, match="give K/N, such as 3/16"):
        parse_shard("half")
    with pytest.raises(ConfigError, match="jobs: 0: give 1 or more"):
        RunOptions(jobs=0)

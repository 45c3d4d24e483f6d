"""Whether a run may write into a folder: it is gone on with, left alone, replaced or refused, and damage is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented import folder as folder_module
from sepvae.augmented.journal import locked
from sepvae.augmented.run import RunOptions
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import remove

from .conftest import augment, interrupted

Contents = Callable[[Path], dict[str, str]]
NewCorpus = Callable[[Path], Path]


def test_a_finished_run_is_left_alone_and_another_one_refused(corpus: Path, whole: Path, contents: Contents) -> None:
    before = contents(whole)
    summary = augment(corpus, whole)
    assert (summary.complete, summary.n_records, summary.made_s) == (True, 72, 0.0)
    with pytest.raises(
        ConfigError, match=r"holds a run with other settings: choose another folder, or pass --overwrite"
    ):
        augment(corpus, whole, seed=3)
    assert contents(whole) == before


def test_a_run_with_other_settings_is_not_gone_on_with(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, corpus, tmp_path / "out", 1)
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        augment(corpus, tmp_path / "out", copies=1)
    assert augment(corpus, tmp_path / "out", copies=1, how=RunOptions(overwrite=True)).n_records == 36


def test_recordings_of_noise_are_known_by_what_they_are_and_not_by_their_place(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    """Another mount is no other run, and other recordings at the same place are one."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    audio.write(tmp_path / "noise/hum.wav", noise, sample_rate=16000)
    out, settings = tmp_path / "out", {"methods": ["noise"], "copies": 1}
    augment(corpus, out, how=RunOptions(shard=(1, 2)), noise={"folder": str(tmp_path / "noise")}, **settings)
    audio.write(tmp_path / "noise/hiss.wav", noise[:9000], sample_rate=16000)
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        augment(corpus, out, how=RunOptions(shard=(2, 2)), noise={"folder": str(tmp_path / "noise")}, **settings)
    (tmp_path / "noise/hiss.wav").unlink()
    (tmp_path / "noise").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert augment(corpus, out, how=RunOptions(shard=(2, 2)), noise={"folder": "elsewhere"}, **settings).complete


def test_two_runs_of_one_shard_do_not_meet(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(monkeypatch, corpus, tmp_path / "out", 1)
    with (
        locked(tmp_path / "out" / ".work" / "1-of-1.lock"),
        pytest.raises(OutputError, match="another run makes the same shard there: wait for it"),
    ):
        augment(corpus, tmp_path / "out")


def test_a_run_that_is_at_work_is_not_overwritten(
    corpus: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    interrupted(monkeypatch, corpus, out, 1)
    before = contents(out)
    for name in ("1-of-1", "2-of-3", "finish"):
        lock = out / ".work" / f"{name}.lock"
        with locked(lock), pytest.raises(OutputError, match="another run is at work there: wait for it"):
            augment(corpus, out, how=RunOptions(overwrite=True))
        lock.unlink()
    assert {name: one for name, one in contents(out).items() if not name.endswith(".lock")} == {
        name: one for name, one in before.items() if not name.endswith(".lock")
    }


def test_settings_that_fail_leave_a_run_and_block_no_folder(corpus: Path, tmp_path: Path, contents: Contents) -> None:
    out, wrong = tmp_path / "out", {"methods": ["noise"], "noise": {"folder": str(tmp_path / "none")}}
    with pytest.raises(InputError, match="none"):
        augment(corpus, out, **wrong)
    assert contents(out) == {}
    augment(corpus, out, methods=["gain"], copies=1)
    before = contents(out)
    for settings in (wrong, {"split": "tset"}):
        with pytest.raises((InputError, ConfigError)):
            augment(corpus, out, how=RunOptions(overwrite=True), **settings)
        assert contents(out) == before


def test_a_removal_that_was_interrupted_leaves_nothing_of_the_old_run(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, settings = tmp_path / "out", {"methods": ["gain"], "copies": 1}
    augment(corpus, out, methods=["speed"], copies=1)

    def interrupted(path: Path) -> None:
        if path.name == "audio":
            raise KeyboardInterrupt
        remove(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_module, "remove", interrupted)
        augment(corpus, out, how=RunOptions(overwrite=True), **settings)
    assert augment(corpus, out, **settings).n_records == 12
    assert len(list(out.rglob("*.wav"))) == 12


def test_a_plan_of_which_nothing_is_made_is_replaced(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, corpus, tmp_path / "out", 0)
    assert augment(corpus, tmp_path / "out", methods=["gain"], copies=1).n_records == 12


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("audio/FABC0/FABC0_SX1-gain-1.wav", None, "FABC0_SX1-gain-1.wav: missing, but the run had made it"),
        ("audio/FABC0/FABC0_SX1-gain-1.wav", "", "its files have .* bytes, the run had made"),
        ("records.jsonl", None, "records.jsonl: damaged"),
        ("augmented.json", "[]", r"augmented.json: damaged, .* received \[\]"),
        ("augmented.json", "xx", "augmented.json: not valid JSON"),
        (".work/plan.json", "{}", "plan.json: damaged, .* is missing"),
        (".work/plan.json", "xx", "plan.json: not valid JSON"),
        (".work/utterances.jsonl", None, "utterances.jsonl: damaged"),
        (".work/left-out.jsonl", "[]\n", "left-out.jsonl: damaged"),
        (".work/journal-1-of-1.jsonl", "[]\n", "journal-1-of-1.jsonl: damaged"),
        (".work/journal-1-of-1.jsonl", '{"block": 0, "a": 1}\n', "journal-1-of-1.jsonl: damaged"),
        (".work/journal-1-of-1.jsonl", '{"block": 3, "a": 1}\n', "journal-1-of-1.jsonl: .*block 3, the plan has 3"),
        (".work/journal-1-of-1.jsonl", "twice", "journal-1-of-1.jsonl: .*records of another one"),
    ],
)
def test_damage_is_named_and_can_be_overwritten(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str | None, message: str
) -> None:
    out, settings = tmp_path / "out", {"methods": ["gain"], "copies": 1}
    if name.startswith(".work"):
        interrupted(monkeypatch, corpus, out, 1, **settings)
    else:
        augment(corpus, out, **settings)
    if damage is None:
        (out / name).unlink()
    elif damage == "twice":
        line = (out / name).read_text()
        (out / name).write_text(line + line.replace('"block": 0', '"block": 1'))
    else:
        (out / name).write_text(damage)
    with pytest.raises(InputError, match=f"{message}.*: pass --overwrite to start again"):
        augment(corpus, out, **settings)
    assert augment(corpus, out, how=RunOptions(overwrite=True), **settings).n_records == 12


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_of_one_corpus(
    corpus: Path, tmp_path: Path, new_corpus: NewCorpus, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    root, out, settings = new_corpus(tmp_path / "c"), tmp_path / "out", {"methods": ["gain"], "copies": 1}
    interrupted(monkeypatch, root, out, 1, **settings)
    if finished:
        augment(root, out, **settings)
    first = root / "TRAIN/DR1/FABC0/SX1.WAV"
    wave = first.read_bytes()
    first.write_bytes(wave[:-2])
    with pytest.raises(ConfigError, match=f"the corpus {root} has changed since .* or pass --overwrite"):
        augment(root, out, **settings)
    first.write_bytes(wave)
    other = new_corpus(tmp_path / "other")
    (other / "TRAIN/DR1/FABC0/SX1.WAV").unlink()
    with pytest.raises(ConfigError, match=f"holds a run of the corpus {root} .* not of {other} .* pass --overwrite"):
        augment(other, out, **settings)
    moved = root.rename(tmp_path / "moved")
    assert augment(moved, out, **settings).n_records == 12


def test_the_result_lies_beside_the_corpus(tmp_path: Path, new_corpus: NewCorpus) -> None:
    root = new_corpus(tmp_path / "c")
    with pytest.raises(ConfigError, match=r"lies in the corpus, which would grow by it: choose a folder beside"):
        augment(root, root / "augmented")


@pytest.mark.parametrize("what", ["corpus", "noise", "file"])
def test_what_a_run_reads_does_not_lie_where_it_writes(
    corpus: Path, tmp_path: Path, new_corpus: NewCorpus, contents: Contents, what: str
) -> None:
    inside = new_corpus(tmp_path / "audio" / "inside")
    before = contents(inside)
    settings: dict[str, Any] = {"methods": ["noise"], "noise": {"folder": str(inside)}} if what == "noise" else {}
    if what == "file":
        path = str(inside / "TRAIN/DR1/FABC0/SX1.WAV")
        transform = {"kind": "AddBackgroundNoise", "settings": {"sounds_path": path}}
        settings = {"methods": ["audiomentations"], "audiomentations": {"transforms": [transform]}}
    (tmp_path / ".work").mkdir()
    with pytest.raises(ConfigError, match=r"lies in .*audio, which a run replaces: choose another folder for the res"):
        augment(inside if what == "corpus" else corpus, tmp_path, how=RunOptions(overwrite=True), **settings)
    assert contents(inside) == before


def test_files_of_someone_else_are_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "holiday.wav").write_bytes(b"")
    for overwrite in (False, True):
        with pytest.raises(
            ConfigError, match=r"holds audio, which is of no run of augmentation: choose another folder"
        ):
            augment(corpus, tmp_path, how=RunOptions(overwrite=overwrite))
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]

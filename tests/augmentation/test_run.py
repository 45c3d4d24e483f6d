"""Whole runs: the same bytes whatever the workers, shards, order and interruptions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented import claim as claim_module
from sepvae.augmented import run as run_module
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.gather import read_records
from sepvae.augmented.ledger import locked
from sepvae.augmented.pipeline import Job, Pipeline, Task
from sepvae.augmented.records import Record, scale_labels
from sepvae.augmented.run import Run, Summary, augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.errors import Cancelled, ConfigError, InputError, OutputError
from sepvae.files import hash_file, read_jsonl, remove
from sepvae.progress import Event, listening

Contents = Callable[[Path], dict[str, str]]
NewCorpus = Callable[[Path], Path]
METHODS = ["reverberation", "speed", "speed+gain+reverberation"]


def config(**settings: Any) -> AugmentConfig:
    return parse_config(AugmentConfig, {"methods": METHODS, "copies": 2, **settings}, where="test")


def augment(corpus: Path, out: Path, *, how: Run | None = None, **settings: Any) -> Summary:
    return augment_corpus(open_corpus(corpus), out, config(**settings), run=how)


def records(out: Path) -> dict[str, Record]:
    return {record.id: record for record in read_records(out)}


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    summary = augment(corpus, out)
    assert summary.complete
    assert (summary.n_records, summary.n_failures) == (12 * 3 * 2, 0)
    assert summary.made_s > 0
    return out


def test_every_record_says_what_it_is_and_replays(corpus: Path, whole: Path) -> None:
    made = records(whole)
    one = made["FABC0_SX2-speed+gain+reverberation-2"]
    assert (one.utterance, one.speaker, one.sex, one.split) == ("FABC0_SX2", "FABC0", "female", "train")
    assert (one.method, one.copy, one.text) == ("speed+gain+reverberation", 2, "Say number 1.")
    assert [step["name"] for step in one.parameters] == ["speed", "gain", "reverberation"]
    assert hash_file(whole / one.path) == one.sha256
    wave, rate = audio.read(whole / one.path)
    assert (rate, wave.shape) == (one.sample_rate, (1, one.n_samples))
    # What the record holds is enough to make the same samples again.
    job = Job(str(corpus), str(whole), json.dumps(config().model_dump(mode="json")), one.sample_rate)
    pipeline = Pipeline(job)
    source = next(utterance for utterance in open_corpus(corpus).utterances() if utterance.id == one.utterance)
    (order,) = [o for o in pipeline.orders(source, []) if (o.method, o.copy) == (one.method, one.copy)]
    assert (order.parameters, order.seed) == (one.parameters, one.seed)
    again = pipeline.apply(pipeline.load(source), order) * np.float32(one.scaled_by)
    np.testing.assert_allclose(again, wave, atol=2**-16)


def test_labels_follow_the_duration(corpus: Path, whole: Path) -> None:
    sources = {utterance.id: utterance for utterance in open_corpus(corpus).utterances()}
    for one in records(whole).values():
        source = sources[one.utterance]
        scale = one.n_samples / source.n_samples
        assert scale == pytest.approx(1 / one.parameters[0].get("factor", 1.0), rel=1e-3)
        assert [label.label for label in one.words] == ["say", "number"]
        assert one.phones[0].start == 0
        assert one.phones[-1].stop == one.n_samples
        for new, old in zip(one.words + one.phones, source.words + source.phones, strict=True):
            assert new.start == pytest.approx(old.start * scale, abs=1)
            assert new.stop == pytest.approx(old.stop * scale, abs=1)


def test_what_is_drawn_depends_on_seed_utterance_copy_and_method_alone(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    made = records(whole)
    drawn = [json.dumps(one.parameters) for one in made.values() if one.method == "reverberation"]
    assert len(set(drawn)) == len(drawn)
    augment(corpus, tmp_path / "fewer", methods=["reverberation"], copies=1)
    for name, one in records(tmp_path / "fewer").items():
        assert one.sha256 == made[name].sha256, "other methods and copies change nothing"
    augment(corpus, tmp_path / "other", methods=["reverberation"], copies=1, seed=1)
    assert all(one.sha256 != made[name].sha256 for name, one in records(tmp_path / "other").items())


def test_two_workers_give_the_same_bytes(corpus: Path, whole: Path, tmp_path: Path, contents: Contents) -> None:
    augment(corpus, tmp_path / "out", how=Run(workers=2))
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancelled_run_goes_on_to_the_same_bytes(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, workers: int
) -> None:
    def hear(event: Event) -> None:
        if event.kind == "update":
            listener.cancel()

    out = tmp_path / "out"
    with pytest.raises(Cancelled, match=r"^augmenting: stopped"), listening(hear) as listener:
        augment(corpus, out, how=Run(workers=workers))
    assert augment(corpus, out, how=Run(workers=workers)).n_records == 72
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_make_the_whole(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, order: tuple[int, ...]
) -> None:
    out = tmp_path / "out"
    summaries = [augment(corpus, out, how=Run(shard=(shard, 3))) for shard in order]
    assert [summary.complete for summary in summaries] == [False, False, True]
    assert [summary.n_records for summary in summaries] == [24, 48, 72]
    assert contents(out) == contents(whole)


def test_a_finished_run_is_left_alone_and_another_one_refused(corpus: Path, whole: Path, contents: Contents) -> None:
    before = contents(whole)
    summary = augment(corpus, whole)
    assert (summary.complete, summary.n_records, summary.made_s) == (True, 72, 0.0)
    with pytest.raises(
        ConfigError, match=r"holds a run with other settings: choose another folder, or pass --overwrite"
    ):
        augment(corpus, whole, seed=3)
    assert contents(whole) == before


def test_paths_of_manifests_can_be_changed_afterwards(corpus: Path, tmp_path: Path, contents: Contents) -> None:
    for name, first in (("a", "relative"), ("b", "absolute")):
        augment(corpus, tmp_path / name, methods=["gain"], copies=1, how=Run(paths=first))  # type: ignore[arg-type]
    before = contents(tmp_path / "a")
    augment(corpus, tmp_path / "a", methods=["gain"], copies=1, how=Run(paths="absolute"))
    (line, *_) = (tmp_path / "a" / "kaldi" / "wav.scp").read_text().splitlines()
    assert line.split(" ")[1] == str(tmp_path / "a" / "audio" / "FABC0" / "FABC0_SX1-gain-1.wav")
    augment(corpus, tmp_path / "a", methods=["gain"], copies=1)
    assert contents(tmp_path / "a") == before


def _interrupted(monkeypatch: pytest.MonkeyPatch, corpus: Path, out: Path, after: int, **settings: Any) -> None:
    """Run until `after` blocks are journalled."""
    make, done = run_module.run_task, 0

    def failing(job: Job, task: Task) -> Any:
        nonlocal done
        done += 1
        if done > after:
            raise KeyboardInterrupt
        return make(job, task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_module, "run_task", failing)
        augment(corpus, out, **settings)


@pytest.mark.parametrize("kind", ["wav", "flac", "npy", "ark", "webdataset", "shar"])
def test_an_interrupted_run_goes_on_in_every_format(
    corpus: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings = {"output": {"format": kind, "utterances_per_archive": 4, "n_mels": 20}}
    augment(corpus, tmp_path / "straight", **settings)
    out = tmp_path / "out"
    _interrupted(monkeypatch, corpus, out, 2, **settings)
    (journal,) = (out / ".work").glob("journal-*")
    with journal.open("ab") as file:
        file.write(b'{"block": 2, "failures": [], "rec')  # what a kill leaves
    folder = next(path for path in out.iterdir() if path.is_dir() and path.name != ".work")
    (folder / ".0123.part").write_bytes(b"half a file")
    summary = augment(corpus, out, **settings)
    assert summary.n_records == 72
    assert contents(out) == contents(tmp_path / "straight")


def test_files_that_a_loss_of_power_took_are_made_again(
    corpus: Path, whole: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _interrupted(monkeypatch, corpus, out, 2)
    files = sorted((out / "audio").rglob("*.wav"))
    files[0].unlink()
    files[-1].write_bytes(b"")
    augment(corpus, out)
    assert contents(out) == contents(whole)


def test_a_run_with_other_settings_is_not_gone_on_with(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupted(monkeypatch, corpus, tmp_path / "out", 1)
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        augment(corpus, tmp_path / "out", copies=1)
    assert augment(corpus, tmp_path / "out", copies=1, how=Run(overwrite=True)).n_records == 36


def test_recordings_of_noise_are_known_by_what_they_are_and_not_by_their_place(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    """Another mount is no other run, and other recordings at the same place are one."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    audio.write(tmp_path / "noise/hum.wav", noise, sample_rate=16000)
    out, settings = tmp_path / "out", {"methods": ["noise"], "copies": 1}
    augment(corpus, out, how=Run(shard=(1, 2)), noise={"folder": str(tmp_path / "noise")}, **settings)
    audio.write(tmp_path / "noise/hiss.wav", noise[:9000], sample_rate=16000)
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        augment(corpus, out, how=Run(shard=(2, 2)), noise={"folder": str(tmp_path / "noise")}, **settings)
    (tmp_path / "noise/hiss.wav").unlink()
    (tmp_path / "noise").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert augment(corpus, out, how=Run(shard=(2, 2)), noise={"folder": "elsewhere"}, **settings).complete


def test_two_runs_of_one_shard_do_not_meet(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupted(monkeypatch, corpus, tmp_path / "out", 1)
    with (
        locked(tmp_path / "out" / ".work" / "1-of-1.lock"),
        pytest.raises(OutputError, match="another run makes the same shard there: wait for it"),
    ):
        augment(corpus, tmp_path / "out")


def test_a_run_that_is_at_work_is_not_overwritten(
    corpus: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _interrupted(monkeypatch, corpus, out, 1)
    before = contents(out)
    for name in ("1-of-1", "2-of-3", "gather"):
        lock = out / ".work" / f"{name}.lock"
        with locked(lock), pytest.raises(OutputError, match="another run is at work there: wait for it"):
            augment(corpus, out, how=Run(overwrite=True))
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
            augment(corpus, out, how=Run(overwrite=True), **settings)
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
        patch.setattr(claim_module, "remove", interrupted)
        augment(corpus, out, how=Run(overwrite=True), **settings)
    assert augment(corpus, out, **settings).n_records == 12
    assert len(list(out.rglob("*.wav"))) == 12


def test_a_plan_of_which_nothing_is_made_is_replaced(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupted(monkeypatch, corpus, tmp_path / "out", 0)
    assert augment(corpus, tmp_path / "out", methods=["gain"], copies=1).n_records == 12


def test_a_file_that_is_lost_before_the_last_shard_is_done_is_named(
    corpus: Path, tmp_path: Path, whole: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    augment(corpus, out, how=Run(shard=(1, 2)))
    lost = next((out / "audio").rglob("*.wav"))
    lost.unlink()
    with pytest.raises(InputError, match=f"{re.escape(str(lost))}: missing, or not of the size .*: run --shard 1/2 ag"):
        augment(corpus, out, how=Run(shard=(2, 2)))
    assert not (out / "augmented.json").exists()
    assert augment(corpus, out, how=Run(shard=(1, 2))).complete
    assert contents(out) == contents(whole)


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
        _interrupted(monkeypatch, corpus, out, 1, **settings)
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
    assert augment(corpus, out, how=Run(overwrite=True), **settings).n_records == 12


def test_a_file_that_changes_during_a_run_is_named(
    tmp_path: Path, new_corpus: NewCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, make = new_corpus(tmp_path / "c"), run_module.run_task

    def meanwhile(job: Job, task: Task) -> Any:
        audio.write(root / "TRAIN/DR1/MJKL0/SX3.WAV", 0.1 * np.ones(9000, np.float32), sample_rate=16000)
        return make(job, task)

    monkeypatch.setattr(run_module, "run_task", meanwhile)
    assert augment(root, tmp_path / "out").n_failures == 1
    (failure,) = read_jsonl(tmp_path / "out" / "failures.jsonl")
    assert "has changed since the run began" in failure["message"]


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_of_one_corpus(
    corpus: Path, tmp_path: Path, new_corpus: NewCorpus, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    root, out, settings = new_corpus(tmp_path / "c"), tmp_path / "out", {"methods": ["gain"], "copies": 1}
    _interrupted(monkeypatch, root, out, 1, **settings)
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


def test_loud_records_are_made_quieter_and_not_clipped(corpus: Path, tmp_path: Path) -> None:
    augment(corpus, tmp_path / "out", methods=["gain"], copies=1, gain={"gain_db": 20})
    for one in read_records(tmp_path / "out"):
        peak = np.abs(audio.read(tmp_path / "out" / one.path).wave).max()
        assert peak == pytest.approx(1, abs=1e-3)
        assert one.scaled_by < 0.5
    settings = {"methods": ["gain"], "copies": 1, "gain": {"gain_db": 20}, "output": {"subtype": "float"}}
    augment(corpus, tmp_path / "float", **settings)
    for one in read_records(tmp_path / "float"):
        assert np.abs(audio.read(tmp_path / "float" / one.path).wave).max() > 2
        assert one.scaled_by == 1.0


def test_one_split_alone(corpus: Path, tmp_path: Path) -> None:
    assert augment(corpus, tmp_path / "out", split="train", methods=["gain"], copies=1).n_records == 12
    with pytest.raises(ConfigError, match="split 'tset': the corpus has none of that name, but train"):
        augment(corpus, tmp_path / "none", split="tset")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["nosie"]}, "unknown augmentation 'nosie': did you mean 'noise'"),
        ({"methods": ["noise+noise"]}, "names an augmentation twice"),
        ({"methods": ["noise", "noise"]}, "names one twice: use copies"),
        ({"methods": []}, "methods"),
        ({"copies": 0}, "copies = 0"),
        ({"speed": {"factor": [1]}}, "did you mean 'factors'"),
        ({"band_pass": {}}, "band_pass: has settings, but the methods are reverberation, speed"),
        ({"output": {"format": "mp3"}}, "output.format = 'mp3'"),
        ({"output": {"format": "flac", "subtype": "float"}}, "FLAC holds integers"),
    ],
)
def test_impossible_settings_are_named(corpus: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        augment(corpus, tmp_path / "out", **settings)
    assert not list(tmp_path.glob("out/*"))


def test_shards_and_workers_have_to_exist() -> None:
    for shard in ("0/2", "3/2", "1/0"):
        with pytest.raises(ConfigError, match=r"give K/N with K from 1 to N"):
            Run(shard=run_module.parse_shard(shard))
    with pytest.raises(ConfigError, match="give K/N, such as 3/16"):
        run_module.parse_shard("half")
    with pytest.raises(ConfigError, match="workers: 0: give 1 or more"):
        Run(workers=0)


def test_scaled_labels_stay_inside_and_in_order(corpus: Path) -> None:
    utterance = next(iter(open_corpus(corpus).utterances()))
    for scale in (0.3, 0.9, 1.0, 1.7):
        n_samples = round(utterance.n_samples * scale)
        labels = scale_labels(utterance.phones, scale, n_samples)
        assert all(0 <= label.start < label.stop <= n_samples for label in labels)
        assert all(one.stop == two.start for one, two in pairwise(labels))
    assert scale_labels(utterance.phones, 1.0, utterance.n_samples) == utterance.phones


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
        transform = {"name": "AddBackgroundNoise", "settings": {"sounds_path": path}}
        settings = {"methods": ["audiomentations"], "audiomentations": {"transforms": [transform]}}
    (tmp_path / ".work").mkdir()
    with pytest.raises(ConfigError, match=r"lies in .*audio, which a run replaces: choose another folder for the res"):
        augment(inside if what == "corpus" else corpus, tmp_path, how=Run(overwrite=True), **settings)
    assert contents(inside) == before


def test_files_of_someone_else_are_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "holiday.wav").write_bytes(b"")
    for overwrite in (False, True):
        with pytest.raises(
            ConfigError, match=r"holds audio, which is of no run of augmentation: choose another folder"
        ):
            augment(corpus, tmp_path, how=Run(overwrite=overwrite))
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


def test_a_crash_in_a_method_is_a_failure_of_the_file(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sepvae.augmentation.classical import Gain

    def broken(self: Gain, wave: Any, sample_rate: int, parameters: Any) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Gain, "apply", broken)
    summary = augment(corpus, tmp_path / "out", methods=["gain", "speed"], copies=1)
    assert (summary.n_records, summary.n_failures) == (12, 12)
    failure = next(read_jsonl(tmp_path / "out" / "failures.jsonl"))
    assert failure["record"] == "FABC0_SX1-gain-1"
    assert "FABC0/SX1.WAV: gain: ZeroDivisionError: by zero" in failure["message"]


def test_samples_that_would_lose_the_labels_are_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sepvae.augmentation.classical import Gain

    monkeypatch.setattr(Gain, "apply", lambda self, wave, sample_rate, parameters: wave[:, :-100])
    augment(corpus, tmp_path / "out", methods=["gain"], copies=1)
    assert "8000 were to be: its labels are lost" in next(read_jsonl(tmp_path / "out" / "failures.jsonl"))["message"]
    monkeypatch.setattr(Gain, "apply", lambda self, wave, sample_rate, parameters: wave * np.float32(np.nan))
    augment(corpus, tmp_path / "out2", methods=["gain"], copies=1)
    assert "NaN or infinite" in next(read_jsonl(tmp_path / "out2" / "failures.jsonl"))["message"]

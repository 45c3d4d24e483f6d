"""The training loop: it learns, resumes bit for bit, guards against NaN, and says what went wrong."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sepvae.errors import Cancelled, CheckpointError, ConfigError, InputError, MissingExtra, OutputError
from sepvae.files import read_json
from sepvae.mixing.mixture import render
from sepvae.progress import Event, listening
from sepvae.separation.separator import Separator
from sepvae.training import loop
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import Trainer, TrainingData, learning_rate, train

Make = Callable[..., TrainingConfig]
# What a clock measures, and so differs between runs.
CLOCK = {"seconds", "frames_per_s"}
# Everything in play that a resume could lose: two optimisers, noise, dropout, annealing, a schedule, context, segments,
# validation.
RICH = {
    "model": {"context_frames": 1, "dropout": 0.1},
    "objective": {"annealing": "cyclic", "annealing_steps": 7, "epsilon_std": 1.0},
    "segment_frames": 3,
    "batch_size": 16,
    "gradient_clip": 5.0,
    "kind": "muon",
    "weight_decay": 0.01,
}


class StopError(Exception):
    """Stands for a power cut."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def history(folder: Path) -> list[dict[str, float]]:
    rows = read_json(folder / "state" / "state.json")["history"]
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in rows]


def run(config: TrainingConfig, humming: TrainingData, out: Path, **kwargs: Any) -> Path:
    train(config, humming, out, **{"device": "cpu", **kwargs})
    return out


def assert_same_run(one: Path, two: Path) -> None:
    assert same(weights(one), weights(two))
    assert same(load_file(one / "state" / "state.safetensors"), load_file(two / "state" / "state.safetensors"))
    assert history(one) == history(two)
    tables = [list(csv.DictReader((out / "log.csv").open())) for out in (one, two)]
    for first, second in zip(*tables, strict=True):
        assert {k: v for k, v in first.items() if k not in CLOCK} == {k: v for k, v in second.items() if k not in CLOCK}


@pytest.fixture(scope="module")
def whole(make_config: Make, humming: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    return run(make_config(**RICH), humming, tmp_path_factory.mktemp("whole") / "run")


# Learning.


def test_a_small_network_learns_to_separate(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    config = make_config(
        epochs=40, learning_rate=1e-2, objective={"likelihood": "poisson", "epsilon_std": 0.01}, model={"hidden": [64]}
    )
    out = run(config, humming, tmp_path / "run")
    rows = history(out)
    assert rows[-1]["train/total"] < 0.2 * rows[0]["train/total"]
    assert rows[-1]["valid/total"] < 0.4 * rows[0]["valid/total"]
    separator = Separator.load(out)
    for mixture in humming.valid:
        rendered = render(mixture, humming.root)
        for name, estimate in separator.separate(rendered.mixture, 8000).items():
            noise = [float(np.sum((wave - rendered.sources[name]) ** 2)) for wave in (rendered.mixture, estimate)]
            assert 10 * math.log10(noise[0] / noise[1]) > 6


def test_beta_pulls_the_posterior_to_the_prior(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    divergence = {}
    for beta in (0.01, 10.0):
        row = history(
            run(make_config(epochs=8, learning_rate=1e-2, objective={"beta": beta}), humming, tmp_path / str(beta))
        )[-1]
        divergence[beta] = (row["valid/hum/kl"] + row["valid/hiss/kl"]) / beta
    assert divergence[10.0] < 0.1 * divergence[0.01]


# Resuming.


@pytest.mark.parametrize("stop_at", [1, 6, 10, 16])
def test_a_stopped_run_continues_bit_for_bit(
    make_config: Make, humming: TrainingData, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    config, steps = make_config(**RICH), 0
    update = Trainer._update

    def stopping(self: Trainer, *args: Any) -> bool:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            raise StopError
        return update(self, *args)

    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(Trainer, "_update", stopping)
        run(config, humming, tmp_path / "run")
    run(config, humming, tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


@pytest.mark.parametrize("part", ["save_checkpoint", "save_state"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_stop_while_saving_is_made_good(
    make_config: Make,
    humming: TrainingData,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    epoch: int,
) -> None:
    save, calls = getattr(loop, part), 0

    def stopping(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == epoch:
            raise StopError
        save(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(loop, part, stopping)
        run(make_config(**RICH), humming, tmp_path / "run")
    run(make_config(**RICH), humming, tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


SCRIPT = """
import pickle, sys
from pathlib import Path
from sepvae.training.loop import train
config, humming, out, seed = pickle.loads(Path(sys.argv[1]).read_bytes())
train(config, humming, out, seed=seed, device="cpu")
"""


def script(tmp_path: Path, config: TrainingConfig, humming: TrainingData, out: Path) -> list[str]:
    """Return the arguments of Python for a training run in a process of its own."""
    import pickle

    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "job").write_bytes(pickle.dumps((config, humming, out, 0)))
    return [str(tmp_path / "run.py"), str(tmp_path / "job")]


def test_a_killed_process_continues_bit_for_bit(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    config = make_config(**{**RICH, "epochs": 12})
    out = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, *script(tmp_path, config, humming, out)], env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (out / "log.csv").is_file() and (out / "log.csv").read_text().count("\n") > 3:
            process.kill()
        time.sleep(0.002)
    assert process.wait() == -9, "the run ended before it could be killed"
    assert 0 < len(history(out)) < 12
    run(config, humming, out)
    assert_same_run(out, run(config, humming, tmp_path / "whole"))


@pytest.mark.parametrize("step", [1, 6])
def test_a_cancelled_run_continues_bit_for_bit(
    make_config: Make, humming: TrainingData, whole: Path, tmp_path: Path, step: int
) -> None:
    """Wherever it is stopped: before an epoch is whole, or later."""

    def hear(event: Event) -> None:
        if event.job.description == "train" and event.job.done == step:
            listener.cancel()

    with pytest.raises(Cancelled, match=f"^train: stopped at {step} steps"), listening(hear) as listener:
        run(make_config(**RICH), humming, tmp_path / "run")
    run(make_config(**RICH), humming, tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


def test_progress_has_a_milestone_with_the_loss_for_each_epoch(
    make_config: Make, humming: TrainingData, tmp_path: Path
) -> None:
    seen: list[tuple[int, int | None, float, float]] = []

    def hear(event: Event) -> None:
        if event.milestone:
            seen.append((event.job.done, event.job.total, event.job.fields["epoch"], event.job.fields["loss"]))

    with listening(hear):
        run(make_config(epochs=3), humming, tmp_path)
    rows = history(tmp_path)
    assert seen == [(row["step"], rows[-1]["step"], row["epoch"], row["valid/total"]) for row in rows]


def test_a_finished_run_is_returned_as_it_is(
    make_config: Make, humming: TrainingData, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = weights(whole)
    monkeypatch.setattr(Trainer, "_epoch", None)
    models = train(make_config(**RICH), humming, whole, device="cpu")
    assert same(dict(models.estimator.networks.state_dict()), before)


def test_a_folder_with_another_run_is_refused(make_config: Make, humming: TrainingData, whole: Path) -> None:
    message = "holds a training run with other settings, data or seed: choose another output folder, or .*--overwrite"
    before = weights(whole)
    with pytest.raises(ConfigError, match=message):
        run(make_config(**{**RICH, "epochs": 5}), humming, whole)
    with pytest.raises(ConfigError, match=message):
        run(make_config(**RICH), humming, whole, seed=1)
    with pytest.raises(ConfigError, match=message):
        run(make_config(**RICH), TrainingData(humming.train[:-1], humming.valid, humming.root), whole)
    assert same(before, weights(whole))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("state.json", b"{"),
        ("state.json", b"[]"),
        ("state.json", b'{"key": 1, "unknown": 2}'),
        ("state.safetensors", b"\x00"),
        ("state.safetensors", None),
    ],
)
def test_a_damaged_state_is_named(
    make_config: Make, humming: TrainingData, tmp_path: Path, file: str, content: bytes | None
) -> None:
    config = make_config(epochs=1)
    out = run(config, humming, tmp_path / "run")
    (out / "state" / file).unlink()
    if content is not None:
        (out / "state" / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged (training state|weights file) .*anew"):
        run(config, humming, out)


# Seeds.


def test_the_seed_decides_everything(make_config: Make, humming: TrainingData, tmp_path: Path, whole: Path) -> None:
    before = torch.random.get_rng_state()
    run(make_config(**RICH), humming, tmp_path / "same")
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 (global generators must not matter)
    assert_same_run(run(make_config(**RICH), humming, tmp_path / "again"), tmp_path / "same")
    assert_same_run(tmp_path / "same", whole)
    other = weights(run(make_config(**RICH), humming, tmp_path / "other", seed=1))
    assert all(not torch.equal(tensor, other[name]) for name, tensor in weights(whole).items())


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    # Muon rounds to bfloat16, which makes much of the last bit of a sum over processes.
    exact = {"kind": "adamw", "model": {"context_frames": 1}, "objective": {"epsilon_std": 0.0}}
    config = make_config(**{**RICH, **exact})
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *script(tmp_path, config, humming, tmp_path / "two")], check=True, env=environment)
    run(config, humming, tmp_path / "one")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-4)
    for single, double in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        assert double["valid/total"] == pytest.approx(single["valid/total"], rel=1e-4)
        assert double["train/total"] == pytest.approx(single["train/total"], rel=1e-4)


# Stopping and keeping.


def test_early_stopping_after_epochs_without_a_better_loss(
    make_config: Make, humming: TrainingData, tmp_path: Path
) -> None:
    config = make_config(epochs=50, patience=3, learning_rate=1e-30, schedule="constant")
    out = run(config, humming, tmp_path / "run")
    assert [row["epoch"] for row in history(out)] == [1, 2, 3, 4]
    assert read_json(out / "model" / "provenance.json")["epoch"] == 1


def test_the_best_model_is_kept_not_the_last(
    make_config: Make, humming: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 1.0, 2.0, 1.0])
    seen = []

    def validate(self: Trainer) -> dict[str, float]:
        seen.append({name: tensor.clone() for name, tensor in self.estimator.networks.state_dict().items()})
        return {"total": next(losses)}

    monkeypatch.setattr(Trainer, "_validate", validate)
    out = run(make_config(), humming, tmp_path / "run")
    assert same(weights(out), seen[1])
    assert read_json(out / "model" / "provenance.json")["losses"]["valid/total"] == 1.0


def test_without_validation_the_last_model_is_kept(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    out = run(make_config(patience=1), TrainingData(humming.train, [], humming.root), tmp_path / "run")
    assert read_json(out / "model" / "provenance.json")["epoch"] == 4
    state = load_file(out / "state" / "state.safetensors")
    assert same(weights(out), {n.removeprefix("weights/"): t for n, t in state.items() if n.startswith("weights/")})


# The log.


def test_log_holds_every_epoch(make_config: Make, humming: TrainingData, whole: Path) -> None:
    rows = list(csv.DictReader((whole / "log.csv").open()))
    terms = [f"{name}/{term}" for name in ("hiss", "hum") for term in ("kl", "reconstruction")]
    losses = [f"{split}/{name}" for split in ("train", "valid") for name in ("total", *terms)]
    assert list(rows[0]) == ["epoch", "step", "learning_rate", "seconds", "frames_per_s", *losses]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    steps = [int(row["step"]) for row in rows]
    assert steps == [steps[0] * epoch for epoch in (1, 2, 3, 4)]
    config = make_config(**RICH).optimiser
    for row in rows:
        assert float(row["learning_rate"]) == learning_rate(config, int(row["step"]) - 1, steps[-1])
        for split in ("train", "valid"):
            total = sum(float(row[f"{split}/{term}"]) for term in terms)
            assert float(row[f"{split}/total"]) == pytest.approx(total, rel=1e-5)
        assert float(row["frames_per_s"]) > 0


def test_tensorboard_has_the_same_losses(whole: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole / "tensorboard"))
    events.Reload()
    logged = {event.step: event.value for event in events.Scalars("valid/total")}
    assert logged == pytest.approx({int(row["step"]): row["valid/total"] for row in history(whole)}, rel=1e-6)


def test_provenance_says_what_made_the_model(humming: TrainingData, whole: Path) -> None:
    provenance = read_json(whole / "model" / "provenance.json")
    assert provenance["seed"] == 0
    assert provenance["data_hash"] == humming.hash
    assert {"sepvae", "torch", "python"} <= provenance["versions"].keys()
    best = min(history(whole), key=lambda row: row["valid/total"])
    assert provenance["epoch"] == best["epoch"]
    assert provenance["losses"]["valid/total"] == best["valid/total"]


def test_nothing_half_written_is_left(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {".lock", "data", "log.csv", "model", "state", "tensorboard"}
    assert not [path for path in whole.rglob("*") if path.suffix in (".part", ".old")]


# Schedules, options and odd humming.


def test_bfloat16_trains_too(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    rows = history(run(make_config(precision="bf16-mixed"), humming, tmp_path / "run"))
    assert rows[-1]["valid/total"] < rows[0]["valid/total"]
    assert {tensor.dtype for tensor in weights(tmp_path / "run").values()} == {torch.float32}


def test_segments_longer_than_the_mixtures(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    config = make_config(segment_frames=60, batch_size=4, model={"context_frames": 60}, epochs=2)
    rows = history(run(config, humming, tmp_path / "run"))
    assert all(math.isfinite(value) for row in rows for value in row.values())


def test_a_source_that_is_in_no_validation_mixture(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    valid = [mixture.model_copy(update={"sources": mixture.sources[1:]}) for mixture in humming.valid]
    rows = history(run(make_config(epochs=1), TrainingData(humming.train, valid, humming.root), tmp_path / "run"))
    assert {"valid/hum/kl", "valid/hiss/kl"} <= rows[0].keys()


def test_bad_arguments_are_named(make_config: Make, humming: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no mixtures to learn from.*make some with 'sepvae mix'"):
        run(make_config(), TrainingData([], [], humming.root), tmp_path / "a")
    with pytest.raises(ConfigError, match="unknown device 'gpu'"):
        run(make_config(), humming, tmp_path / "b", device="gpu")
    with pytest.raises(ConfigError, match="gaussian_learned needs a model with learned_variance: true"):
        run(make_config(objective={"likelihood": "gaussian_learned"}), humming, tmp_path / "c")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is a file, not a folder: choose another output"):
        run(make_config(), humming, tmp_path / "file")


def test_missing_lightning_names_the_extra(
    make_config: Make, humming: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingExtra, match=r"training needs the optional extra 'train'.*sepvae\[train\]"):
        run(make_config(), humming, tmp_path / "run")


def test_state_is_plain_json(whole: Path) -> None:
    state = json.loads((whole / "state" / "state.json").read_text())
    assert state["finished"] is True
    assert state["epoch"] == 4

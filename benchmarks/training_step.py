"""Where a training step goes, and what bfloat16 makes of it: temporal VAE and conditional VAE, by their presets.

A step draws its batch, goes forward and back, clips the gradients and moves the weights by Muon and AdamW. Steps in
single precision and in bfloat16 are taken in turn; all times are those of one core (process time), so that other work
on the machine changes little, and ratios are those of neighbours. A profile says which operations they are made of.
Run: python benchmarks/training_step.py [--rounds N] [--corpus DIR]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from training import REAL, training_data

from sepvae import progress
from sepvae.config import parse_config
from sepvae.files import write_json
from sepvae.mixing.single_source import speech_mixtures
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import Trainer, TrainingData

RESULT = Path(__file__).parent / "results" / "training_step.json"
PRESETS = ("temporal_vae", "conditional_vae")
PRECISIONS = ("32-true", "bf16-mixed")
# Operations that are named in the profile, and the steps it is of.
NAMED, PROFILED = 8, 3


def make_trainer(name: str, precision: str, data: TrainingData, folder: Path) -> Trainer:
    """Return what trains a preset at a precision; the conditional VAE learns from each talker alone."""
    settings = preset(name)
    settings["optimiser"]["precision"] = precision
    if name == "conditional_vae":
        data = TrainingData(speech_mixtures(data.train, data.root), [], data.root)
    return Trainer(parse_config(TrainingConfig, settings, where="benchmark"), data, folder, seed=0, device="cpu")


def step_parts(trainer: Trainer, number: int) -> dict[str, float]:
    """Take a step as the training loop does, and return the milliseconds of a core of each part."""
    parts: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        found = work()
        parts[name] = 1e3 * (time.process_time() - started)
        return found

    def clip() -> None:
        for own in trainer.weights:
            nn.utils.clip_grad_norm_(own, trainer.optim.gradient_clip)

    batch = timed("batch", lambda: trainer.batches.draw(number))
    for optimiser in trainer.wrapped_optimisers:
        optimiser.zero_grad()
    loss = timed("forward", lambda: trainer.step(batch))
    timed("backward", lambda: trainer.fabric.backward(loss.total))
    timed("clip", clip)
    for optimiser in trainer.optimisers:
        timed(type(optimiser).__name__, optimiser.step)
    return {**parts, "step": sum(parts.values())}


def operations(trainer: Trainer) -> dict[str, float]:
    """Return the share of the time of some steps that the largest operations take, those inside them left out."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for number in range(PROFILED):
            step_parts(trainer, number)
    found = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in found)
    return {event.key: round(event.self_cpu_time_total / total, 3) for event in found[:NAMED]}


def measure(name: str, data: TrainingData, scratch: Path, rounds: int) -> dict[str, Any]:
    """Return parts of a step at both precisions, and how much longer one takes in single precision."""
    trainers = {precision: make_trainer(name, precision, data, scratch / precision) for precision in PRECISIONS}
    taken: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    for number in range(rounds + 1):
        for precision, trainer in trainers.items():
            parts = step_parts(trainer, number)
            if number:  # the first one loads libraries
                taken[precision].append(parts)
    single, half = ([parts["step"] for parts in taken[precision]] for precision in PRECISIONS)
    ratios = [one / other for one, other in zip(single, half, strict=True)]
    batch = trainers[PRECISIONS[0]].batches
    return {
        "weights": trainers[PRECISIONS[0]].estimator.n_weights,
        "frames in a batch": batch.frames_per_step,
        "milliseconds of a core": {
            precision: {part: round(statistics.median(row[part] for row in rows), 1) for part in rows[0]}
            for precision, rows in taken.items()
        },
        "single precision over bfloat16": round(statistics.median(ratios), 2),
        "range": [round(min(ratios), 2), round(max(ratios), 2)],
        "share of operations": {precision: operations(trainer) for precision, trainer in trainers.items()},
    }


def print_table(name: str, found: dict[str, Any]) -> None:
    """Print what a step takes, part by part."""
    times = found["milliseconds of a core"]
    low, high = found["range"]
    print(f"{name}: {found['single precision over bfloat16']} times ({low} to {high}) longer in single precision")
    print(f"  {'part':10}" + "".join(f"{precision:>12}" for precision in times) + "  ms of a core")
    for part in times[PRECISIONS[0]]:
        print(f"  {part:10}" + "".join(f"{row[part]:12.1f}" for row in times.values()))
    for precision, shares in found["share of operations"].items():
        print(f"  {precision}: " + ", ".join(f"{key} {100 * share:.0f} %" for key, share in shares.items()))


def main() -> None:
    """Measure, print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--corpus", type=Path, default=REAL if REAL.is_dir() else None, help="a folder; else generated")
    args = parser.parse_args()
    progress.configure(quiet=True)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        data, description = training_data(args.corpus, Path(scratch))
        for name in PRESETS:
            results[name] = measure(name, data, Path(scratch) / name, args.rounds)
            print_table(name, results[name])
    write_json(
        RESULT,
        {
            "task": f"a step by the preset, {description}",
            "rounds": args.rounds,
            "threads": 1,
            "processor": {name: bool(capabilities.get(name)) for name in ("avx512_f", "avx512_bf16", "amx_bf16")},
            "versions": {name: importlib.metadata.version(name) for name in ("sepvae", "torch", "lightning-fabric")},
            "results": results,
        },
    )


if __name__ == "__main__":
    main()

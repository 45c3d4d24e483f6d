"""temporal_vae against Conv-TasNet at equal training time, on mixtures of known speakers, over several seeds.

Both are trained by the settings of recipes/timit/temporal_vae.yaml on the same mixtures; a few steps of each are timed
first, and each makes as many steps as fit into the time. It is the time of one core, so that other work on the machine
shortens no training. A seed is that of mixtures, weights and batches at once.
Run: python benchmarks/known_speakers.py [--minutes 7] [--jobs 2] [--seeds 0 1 2] [--splits speaker_seen speaker_open]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sepvae.corpora.records import open_corpus
from sepvae.evaluation.bsseval import bss_eval_sources
from sepvae.files import write_json
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.mixing.protocol import make_mixtures
from sepvae.processes import run_side_by_side
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import Trainer, TrainingData

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "timit" / "temporal_vae.yaml"
RESULT = Path(__file__).parent / "results" / "known_speakers.json"
REAL = Path(os.environ.get("SEPVAE_CORPORA", ROOT.parent / "shared" / "corpora")) / "timit-sample"
SYSTEMS = ("temporal_vae", "conv_tasnet")
TIMED_STEPS = 12


def config_for(recipe: SeparationRecipe, system: str, *, steps: int, epochs: int) -> TrainingConfig:
    """Return the recipe's settings of a system for so many steps in so many epochs."""
    settings = dict(recipe.systems[system].settings)
    settings["optimiser"] = {**settings["optimiser"], "epochs": epochs}
    settings["waves"] = {**settings["waves"], "steps_per_epoch": max(1, steps // epochs)}
    return TrainingConfig.model_validate(settings)


def train(config: TrainingConfig, data: TrainingData, folder: Path, *, seed: int) -> float:
    """Train into a folder and return the seconds of a core it took, validation and checkpoints included."""
    trainer = Trainer(config, data, folder, seed=seed, device="cpu")
    started = time.process_time()
    trainer.run()
    return time.process_time() - started


def seconds_per_step(recipe: SeparationRecipe, system: str, data: TrainingData, folder: Path) -> float:
    """Return the seconds of a core that a step takes, from the second of two short runs; the first warms up."""
    config = config_for(recipe, system, steps=TIMED_STEPS, epochs=1)
    unvalidated = TrainingData(data.train, [], data.root)
    train(config, unvalidated, folder / "warm", seed=0)
    return train(config, unvalidated, folder / "timed", seed=0) / TIMED_STEPS


def scores(folder: Path, mixtures: list[Mixture]) -> dict[str, float]:
    """Return the mean SDR, SIR and SAR in dB of the trained system over the mixtures."""
    separator, rows = Separator.load(folder), []
    for mixture in mixtures:
        rendered = render(mixture, REAL)
        estimates = separator.separate(rendered.mixture, mixture.sample_rate)
        found = bss_eval_sources(
            references=np.stack(list(rendered.sources.values())),
            estimates=np.stack([estimates[name] for name in rendered.sources]),
        )
        rows.append([float(np.mean(np.asarray(part))) for part in (found.sdr, found.sir, found.sar)])
    means = np.mean(rows, axis=0)
    return {name: round(float(value), 2) for name, value in zip(("sdr", "sir", "sar"), means, strict=True)}


def train_and_score(system: str, split: str, seed: int, seconds: float) -> dict[str, float]:
    """Train one system with one seed for so many seconds, and score it."""
    recipe = load_recipe(RECIPE)
    if not isinstance(recipe, SeparationRecipe):
        raise TypeError(f"{RECIPE} is no recipe of separation")
    utterances = list(open_corpus(REAL).utterances())
    mixing = recipe.mixing.model_copy(update={"split": split})
    mixtures = make_mixtures(utterances, mixing, root=REAL, seed=seed).mixtures
    train_set, valid, test = ([m for m in mixtures if m.split == name] for name in ("train", "valid", "test"))
    torch.set_num_threads(1)
    data, epochs = TrainingData(train_set, valid, REAL), recipe.systems[system].settings["optimiser"]["epochs"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        each = seconds_per_step(recipe, system, data, folder / "timing")
        config = config_for(recipe, system, steps=int(seconds / each), epochs=epochs)
        taken = train(config, data, folder / "model", seed=seed)
        found = scores(folder / "model", test)
    steps = config.waves.steps_per_epoch * epochs
    print(f"{split} seed {seed} {system}: {found}, {steps} steps in {taken:.0f} s of a core", flush=True)
    return {**found, "steps": steps, "core_seconds": round(taken)}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--splits", nargs="+", default=["speaker_seen"])
    args = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"{REAL}: no sample of TIMIT there: set SEPVAE_CORPORA")
    tasks = {
        f"{split}/{seed}/{system}": (system, split, seed, 60 * args.minutes)
        for split in args.splits
        for seed in args.seeds
        for system in SYSTEMS
    }
    found = run_side_by_side(train_and_score, tasks, jobs=args.jobs)
    results: dict[str, Any] = {
        "torch": importlib.metadata.version("torch"),
        "cores": os.cpu_count(),
        "jobs": args.jobs,
        "core_minutes": args.minutes,
        "splits": {},
    }
    for split in args.splits:
        seeds = {str(seed): {name: found[f"{split}/{seed}/{name}"] for name in SYSTEMS} for seed in args.seeds}
        differences = [row["temporal_vae"]["sdr"] - row["conv_tasnet"]["sdr"] for row in seeds.values()]
        mean = statistics.mean(differences)
        results["splits"][split] = {"seeds": seeds, "mean_sdr_difference": round(mean, 2)}
        print(f"{split}: temporal_vae is {mean:.2f} dB SDR above Conv-TasNet")
    write_json(RESULT, results)


if __name__ == "__main__":
    main()

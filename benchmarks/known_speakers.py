"""temporal_vae against Conv-TasNet at equal training time and at equal audio, by the protocol of TIMIT's speakers.

Both are trained by the settings of recipes/timit/temporal_vae.yaml on the same mixtures, those of known speakers and
the three folds of recipes/protocol/timit.yaml. A few steps of each are timed first. The temporal VAE makes as many
steps as fit into the time; Conv-TasNet is trained twice, for the same time, and until it has heard as many seconds of
audio, which takes it several times longer. It is the time of one core, so that other work on the machine shortens no
training. Intervals are over the pairs of speakers, and an estimate that fails counts (docs/protocol.md). A seed is that
of weights and batches; the mixtures are the same.
Run: python benchmarks/known_speakers.py [--minutes 7] [--jobs 2] [--seeds 0] [--splits speaker_seen speaker_open]
     [--without-equal-audio]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import yaml

from sepvae.corpora.records import open_corpus
from sepvae.evaluation.failures import UNPROCESSED, count_failures
from sepvae.evaluation.measures import score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import Summary, summarise
from sepvae.files import write_json
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.leaks import refuse_leaks
from sepvae.mixing.manifest import Manifest, Mixture
from sepvae.mixing.mixture import render
from sepvae.mixing.protocol import make_mixtures
from sepvae.processes import run_side_by_side
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.recipe.separation.stages import companies
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import Trainer, TrainingData

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "timit" / "temporal_vae.yaml"
PROTOCOL = ROOT / "recipes" / "protocol" / "timit.yaml"
RESULT = Path(__file__).parent / "results" / "known_speakers.json"
REAL = Path(os.environ.get("SEPVAE_CORPORA", ROOT.parent / "shared" / "corpora")) / "timit-sample"
TEMPORAL, EQUAL_TIME, EQUAL_AUDIO = "temporal_vae", "conv_tasnet, equal time", "conv_tasnet, equal audio"
MEASURES = ("sdr_bsseval_v3_512", "sir_bsseval_v3_512", "sar_bsseval_v3_512")
TIMED_STEPS = 12


class Trained(NamedTuple):
    """What a system has learnt from, and the scores of its estimates of a group's test mixtures and of the mixtures."""

    steps: int
    audio_s: float
    core_s: float
    rows: list[ScoreRow]


def load() -> SeparationRecipe:
    """Return the recipe whose settings both systems have."""
    recipe = load_recipe(RECIPE)
    if not isinstance(recipe, SeparationRecipe):
        raise TypeError(f"{RECIPE} is no recipe of separation")
    return recipe


def make_manifest(split: str) -> Manifest:
    """Return the mixtures of the protocol."""
    protocol = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))["mixing"]
    mixing = {**load().mixing.model_dump(mode="json"), **protocol, "split": split}
    manifest = make_mixtures(list(open_corpus(REAL).utterances()), MixingConfig(**mixing), root=REAL, seed=0)
    refuse_leaks(manifest.mixtures, speakers=split == "speaker_open")
    return manifest


def config_for(recipe: SeparationRecipe, system: str, steps: int) -> TrainingConfig:
    """Return the recipe's settings of a system for about so many steps, in its epochs where that is enough steps."""
    settings = dict(recipe.systems[system].settings)
    epochs = max(1, min(settings["optimiser"]["epochs"], steps))
    settings["optimiser"] = {**settings["optimiser"], "epochs": epochs}
    settings["waves"] = {**settings["waves"], "steps_per_epoch": max(1, round(steps / epochs))}
    return TrainingConfig.model_validate(settings)


def audio_of_step(config: TrainingConfig) -> float:
    """Return the seconds of audio in a batch."""
    return config.optimiser.batch_size * config.waves.segment_s


def train(config: TrainingConfig, data: TrainingData, folder: Path, *, seed: int) -> float:
    """Train into a folder and return the seconds of a core it took, validation and checkpoints included."""
    trainer = Trainer(config, data, folder, seed=seed, device="cpu")
    started = time.process_time()
    trainer.run()
    return time.process_time() - started


def seconds_per_step(recipe: SeparationRecipe, system: str, data: TrainingData) -> float:
    """Return the seconds of a core that a step takes, from the second of two short runs; the first warms up."""
    config, unvalidated = config_for(recipe, system, TIMED_STEPS), TrainingData(data.train, [], data.root)
    with tempfile.TemporaryDirectory() as name:
        train(config, unvalidated, Path(name) / "warm", seed=0)
        return train(config, unvalidated, Path(name) / "timed", seed=0) / TIMED_STEPS


def scores(system: str, folder: Path, mixtures: Sequence[Mixture]) -> list[ScoreRow]:
    """Return the scores of the trained system, and of the mixtures as they are."""
    separator, rows = Separator.load(folder), list[ScoreRow]()
    for mixture in mixtures:
        rendered = render(mixture, REAL)
        estimates = separator.separate(rendered.mixture, mixture.sample_rate)
        rows += score_systems(
            references=rendered.sources,
            estimates={system: {name: estimates[name] for name in rendered.sources}},
            mixture=rendered.mixture,
            sample_rate=mixture.sample_rate,
            item=mixture.id,
            measures=MEASURES,
            floor=UNPROCESSED,
        )
    return rows


def train_and_score(split: str, group: str | None, seed: int, seconds: float, named: Sequence[str]) -> Any:
    """Return what each of the named systems becomes on a group of mixtures, in so many seconds or with that audio."""
    torch.set_num_threads(1)
    recipe = load()
    mixtures = [mixture for mixture in make_manifest(split).mixtures if mixture.group == group]
    learnt, valid, test = ([m for m in mixtures if m.split == name] for name in ("train", "valid", "test"))
    data = TrainingData(learnt, valid, REAL)
    steps = int(seconds / seconds_per_step(recipe, TEMPORAL, data))
    configs = {TEMPORAL: config_for(recipe, TEMPORAL, steps)}
    heard = configs[TEMPORAL].optimiser.epochs * configs[TEMPORAL].waves.steps_per_epoch
    audio_s = heard * audio_of_step(configs[TEMPORAL])
    if EQUAL_TIME in named:
        each = seconds_per_step(recipe, "conv_tasnet", data)
        configs[EQUAL_TIME] = config_for(recipe, "conv_tasnet", int(seconds / each))
    if EQUAL_AUDIO in named:
        few = config_for(recipe, "conv_tasnet", 1)
        configs[EQUAL_AUDIO] = config_for(recipe, "conv_tasnet", round(audio_s / audio_of_step(few)))
    found = {}
    for name, config in configs.items():
        with tempfile.TemporaryDirectory() as folder:
            taken = train(config, data, Path(folder), seed=seed)
            rows = scores(name, Path(folder), test)
        steps = config.optimiser.epochs * config.waves.steps_per_epoch
        found[name] = Trained(steps, steps * audio_of_step(config), taken, rows)
        print(f"{split} {group or 'all'} seed {seed} {name}: {steps} steps in {taken:.0f} s of a core", flush=True)
    return found


def summary(trained: Sequence[dict[str, Trained]], manifest: Manifest) -> dict[str, Any]:
    """Return means with intervals over the pairs of speakers, and what both Conv-TasNets lack to the temporal VAE."""
    clusters, rows, seen = companies(manifest), list[ScoreRow](), dict[str, list[Trained]]()
    for number, group in enumerate(trained):
        for name, part in group.items():
            seen.setdefault(name, []).append(part)
            # The same mixture with another seed is another item of the same people.
            rows += [row for row in _numbered(part.rows, number) if row.system == name or name == TEMPORAL]
    known = {row.item: clusters[row.item.rpartition("/")[0]] for row in rows}
    counted, failed = count_failures(rows)
    counted += [row for name in seen if name != TEMPORAL for row in _less(counted, name)]
    systems = summarise(counted, failed=failed, clusters=known)
    return {
        name: {
            **{measure.split("_")[0]: _rounded(values) for measure, values in measures.items()},
            **{field: [round(getattr(part, field)) for part in seen.get(name, ())] for field in _LEARNT},
            "pairs of speakers": len(set(known.values())),
        }
        for name, measures in systems.items()
    }


_LEARNT = ("steps", "audio_s", "core_s")


def _numbered(rows: Sequence[ScoreRow], number: int) -> list[ScoreRow]:
    return [ScoreRow(row.system, f"{row.item}/{number}", row.source, row.values, row.reasons) for row in rows]


def _less(rows: Sequence[ScoreRow], other: str) -> list[ScoreRow]:
    """Return the temporal VAE's scores less those of another system, as if they were a system's."""
    there = {(row.item, row.source): row.values for row in rows if row.system == other}
    found = []
    for row in (row for row in rows if row.system == TEMPORAL):
        values = {name: value - there[row.item, row.source][name] for name, value in row.values.items()}
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        found.append(ScoreRow(f"{TEMPORAL} less {other}", row.item, row.source, known, {}))
    return found


def _rounded(values: Summary) -> dict[str, Any]:
    mean, interval = values["mean"], values["ci95"]
    return {
        "mean": None if mean is None else round(mean, 2),
        "ci95": [None if end is None else round(end, 2) for end in interval],
        "n": values["n_total"],
        "failed": values["n_failed"],
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--splits", nargs="+", default=["speaker_seen", "speaker_open"])
    parser.add_argument("--without-equal-audio", action="store_true", help="which takes most of the time")
    args = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"{REAL}: no sample of TIMIT there: set SEPVAE_CORPORA")
    named = (EQUAL_TIME,) if args.without_equal_audio else (EQUAL_TIME, EQUAL_AUDIO)
    manifests = {split: make_manifest(split) for split in args.splits}
    tasks = {
        f"{split}/{group or 'all'}/{seed}": (split, group, seed, 60 * args.minutes, named)
        for split, manifest in manifests.items()
        for group in dict.fromkeys(mixture.group for mixture in manifest.mixtures)
        for seed in args.seeds
    }
    found = run_side_by_side(train_and_score, tasks, jobs=args.jobs)
    results: dict[str, Any] = {
        "torch": importlib.metadata.version("torch"),
        "cores": os.cpu_count(),
        "jobs": args.jobs,
        "core_minutes": args.minutes,
        "seeds": args.seeds,
        "splits": {},
    }
    for split, manifest in manifests.items():
        own = [cast("dict[str, Trained]", part) for name, part in found.items() if name.startswith(f"{split}/")]
        results["splits"][split] = summary(own, manifest)
        for name, row in results["splits"][split].items():
            sdr = row["sdr"]
            print(f"{split}: {name}: SDR {sdr['mean']} {sdr['ci95']}, {row['pairs of speakers']} pairs of speakers")
    write_json(RESULT, results)


if __name__ == "__main__":
    main()

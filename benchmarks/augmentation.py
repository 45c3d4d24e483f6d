"""Augmented corpora: speech made in a second by one worker and by two, and memory against the size of the corpus.

Every run is a process of its own with one thread a worker, from the headers of a generated corpus to the manifests;
starting Python is not counted, loading torch and the model is. The latent methods filter by a convolutional model of
the default size with random weights. They are compared with the chain that audiomentations' own page begins with, in
a plain loop over the same files.
Run: python benchmarks/augmentation.py [--rounds N] [--methods A,B] [--model DIR] [--long N] [--many N]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from sepvae import audio, seeds
from sepvae.files import write_json

RESULT = Path(__file__).parent / "results" / "augmentation.json"
SAMPLE_RATE, N_SPEAKERS, COPIES = 16000, 20, 3
# Utterances and their seconds: of the runs of each method, and the two whose memory is compared.
SPEED, FEW = (300, 5.0), (100, 0.5)
LATENT = "replace"
METHODS = f"{LATENT},soft,noise,reverberation,speed,gain,band_pass,audiomentations"
LOOP, RANDOM_MODEL = "audiomentations in a plain loop", "random model"


def make_corpus(root: Path, n_utterances: int, duration_s: float) -> Path:
    """Write a folder of speakers: the same few waves, shaped like speech, under many names."""
    generator = seeds.generator(0, "benchmark", "augmentation")
    files = []
    for _ in range(8):
        white = generator.standard_normal(round(SAMPLE_RATE * duration_s))
        envelope = 0.1 + np.abs(np.sin(np.arange(len(white)) / SAMPLE_RATE * 9))
        wave = (0.05 * envelope * (white + np.roll(white, 1))).astype(np.float32)
        files.append(audio.encode(wave, sample_rate=SAMPLE_RATE, container="WAV", subtype="pcm16"))
    for number in range(n_utterances):
        path = root / f"s{number % N_SPEAKERS:02}" / f"{number:06}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[number % len(files)])
        path.with_suffix(".txt").write_text("some words that were said")
    return root


def make_model(arguments: argparse.Namespace) -> None:
    """Write the model that `sepvae train --speech` trains as it is before the first step, with its basis."""
    import torch

    from sepvae.augmented.fit import fit_and_save
    from sepvae.corpora.records import open_corpus
    from sepvae.estimator.checkpoint import save_checkpoint
    from sepvae.settings import preset
    from sepvae.training.config import TrainingConfig, fresh_checkpoint

    torch.manual_seed(0)
    training = TrainingConfig.model_validate(preset("segment_conv"))
    models = fresh_checkpoint(training, ("speech",))
    save_checkpoint(arguments.model, models, provenance={})
    corpus = arguments.corpus
    fit_and_save(arguments.model, [(corpus, list(open_corpus(corpus).utterances())[: FEW[0]])])


def augment(arguments: argparse.Namespace) -> float:
    """Augment a corpus in this process, and return the seconds of speech made."""
    from sepvae import progress
    from sepvae.augmented.config import AugmentConfig
    from sepvae.augmented.run import RunOptions, augment_corpus
    from sepvae.config import parse_config
    from sepvae.corpora.records import open_corpus

    progress.configure(quiet=True)
    settings = {"methods": arguments.methods, "copies": arguments.copies}
    config = parse_config(AugmentConfig, settings, where="the benchmark")
    how = RunOptions(jobs=arguments.jobs)
    corpus, out = open_corpus(arguments.corpus), arguments.corpus.parent / "out"
    summary = augment_corpus(corpus, out, config, model=arguments.model, run=how)
    if summary.n_failures:
        raise RuntimeError(f"{summary.n_failures} failures")
    return summary.made_s


def plain_loop(arguments: argparse.Namespace) -> float:
    """Do what audiomentations' page shows with every file of a corpus, and return the seconds of speech made."""
    import soundfile
    from audiomentations import AddGaussianNoise, Compose, PitchShift, Shift, TimeStretch

    chain = Compose(
        [
            AddGaussianNoise(min_amplitude=0.001, max_amplitude=0.015, p=0.5),
            TimeStretch(min_rate=0.8, max_rate=1.25, p=0.5),
            PitchShift(min_semitones=-4, max_semitones=4, p=0.5),
            Shift(p=0.5),
        ]
    )
    out, made_s = arguments.corpus.parent / "out", 0.0
    out.mkdir()
    for path in sorted(arguments.corpus.rglob("*.wav")):
        wave, rate = soundfile.read(path, dtype="float32")
        for copy in range(arguments.copies):
            changed = chain(samples=wave, sample_rate=rate)
            soundfile.write(out / f"{path.stem}-{copy}.wav", changed, rate)
            made_s += len(changed) / rate
    return made_s


def peak_mb() -> float:
    """Return the most memory that this process has held, where Linux tells it."""
    status = Path("/proc/self/status")
    # Another figure, ru_maxrss, is at least that of the process which started this one.
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")) if status.exists() else ""
    return int(line.split()[1]) / 1024 if line else float("nan")


def run_here(arguments: argparse.Namespace) -> None:
    """Make a corpus in this process, and print what it took."""
    if arguments.methods == RANDOM_MODEL:
        make_model(arguments)
        print("{}")
        return
    started = time.perf_counter()
    made_s = (plain_loop if arguments.methods == LOOP else augment)(arguments)
    seconds = time.perf_counter() - started
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    shutil.rmtree(arguments.corpus.parent / "out")
    value = {"x_real_time": made_s / seconds, "x_real_time_of_processor": made_s / cpu_s, "peak_mb": peak_mb()}
    sys.stdout.write(json.dumps({name: round(number, 1) for name, number in value.items()}) + "\n")


def run(corpus: Path, methods: str, model: Path, *, jobs: int = 1, copies: int = COPIES) -> dict[str, float]:
    """Make a corpus in a new process with one thread a worker."""
    options = {"corpus": corpus, "methods": methods, "model": model, "jobs": jobs, "copies": copies}
    command = [sys.executable, __file__, *(f"--{name}={value}" for name, value in options.items())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    value: dict[str, float] = json.loads(done.stdout)
    return value


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the fastest of some rounds."""
    return max(rounds, key=lambda one: one["x_real_time"])


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures: the best of the rounds, in which everything takes its turn."""
    corpus = make_corpus(folder / "speed" / "corpus", *SPEED)
    model = arguments.model or folder / "model"
    if not arguments.model:
        run(corpus, RANDOM_MODEL, model)
    methods = [*arguments.methods.split(","), LOOP]
    speeds: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    single: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        for method, own in speeds.items():
            own.append(run(corpus, method, model))
        single.append(run(corpus, LATENT, model, copies=1))
    long = make_corpus(folder / "long" / "corpus", arguments.long, 10.0)
    scaling: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for jobs, own in scaling.items():
            own.append(run(long, LATENT, model, jobs=jobs))
    shutil.rmtree(long.parent)
    sizes = {
        str(count): make_corpus(folder / f"{count}" / "corpus", count, FEW[1]) for count in (FEW[0], arguments.many)
    }
    fastest = {method: best(own) for method, own in speeds.items()}
    return {
        "cores": os.cpu_count(),
        "rounds": arguments.rounds,
        "versions": {name: metadata.version(name) for name in ("torch", "audiomentations")},
        f"one worker, {COPIES} copies": fastest,
        f"one worker, {LATENT}, 1 copy": best(single),
        f"{LATENT} over {LOOP}": round(fastest[LATENT]["x_real_time"] / fastest[LOOP]["x_real_time"], 2),
        "workers": {
            "hours made": round(arguments.long * 10 * COPIES / 3600, 1),
            **{str(jobs): best(own) for jobs, own in scaling.items()},
            "two over one": round(best(scaling[2])["x_real_time"] / best(scaling[1])["x_real_time"], 3),
        },
        "peak_mb by utterances": {count: run(one, LATENT, model, copies=1)["peak_mb"] for count, one in sizes.items()},
    }


def main() -> None:
    """Measure and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--model", type=Path, help="a trained model, where it is not to be one with random weights")
    parser.add_argument("--long", type=int, default=4000, help="utterances of 10 s for one worker against two")
    parser.add_argument("--many", type=int, default=10_000, help="utterances of the large corpus, for its memory")
    for name, kind in (("corpus", Path), ("jobs", int), ("copies", int)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.corpus:
        run_here(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, Path(folder))
    write_json(RESULT, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""Augmented corpora: speech made in a second by one worker and by two, and memory against the size of the corpus.

Every run is a process of its own, from the headers of a generated corpus of three-second utterances to the manifests;
starting Python is not counted. Run: python benchmarks/augmentation.py [--methods A,B] [--model DIR] [--many N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sepvae import audio, seeds
from sepvae.files import write_json

RESULT = Path(__file__).parent / "results" / "augmentation.json"
SAMPLE_RATE, DURATION_S, N_SPEAKERS = 16000, 3, 20
FEW, LONG = 100, 1000
ROUNDS = 3


def make_corpus(root: Path, n_utterances: int) -> Path:
    """Write a folder of speakers: the same few waves, shaped like speech, under many names."""
    generator = seeds.generator(0, "benchmark", "augmentation")
    files = []
    for _ in range(8):
        white = generator.standard_normal(SAMPLE_RATE * DURATION_S)
        envelope = 0.1 + np.abs(np.sin(np.arange(len(white)) / SAMPLE_RATE * 9))
        wave = (0.05 * envelope * (white + np.roll(white, 1))).astype(np.float32)
        files.append(audio.encode(wave, sample_rate=SAMPLE_RATE, container="WAV"))
    for number in range(n_utterances):
        path = root / f"s{number % N_SPEAKERS:02}" / f"{number:06}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[number % len(files)])
        path.with_suffix(".txt").write_text("some words that were said")
    return root


def run_here(arguments: argparse.Namespace) -> None:
    """Augment a corpus in this process and print what it took."""
    import resource
    import time

    from sepvae import progress
    from sepvae.augmentation.config import AugmentConfig
    from sepvae.augmentation.run import Run, augment_corpus
    from sepvae.config import parse_config
    from sepvae.corpora.records import open_corpus

    progress.configure(quiet=True)
    config = parse_config(AugmentConfig, {"methods": arguments.methods}, where="the benchmark")
    out = arguments.corpus.parent / "out"
    started, processor = time.perf_counter(), time.process_time()
    model = Path(arguments.model) if arguments.model else None
    how = Run(workers=arguments.workers)
    summary = augment_corpus(open_corpus(arguments.corpus), out, config, model=model, run=how)
    seconds = time.perf_counter() - started
    value = {
        "records": summary.n_records,
        "x_real_time": summary.made_s / seconds,
        "x_real_time_of_processor": summary.made_s / (time.process_time() - processor),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    shutil.rmtree(out)
    sys.stdout.write(json.dumps(value) + "\n")


def run(corpus: Path, methods: str, model: str | None, workers: int = 1) -> dict[str, Any]:
    """Augment a corpus in a new process with one thread a worker."""
    command = [sys.executable, __file__, "--corpus", str(corpus), "--methods", methods, "--workers", str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *(["--model", model] if model else [])], env=environment, check=True, capture_output=True, text=True
    )
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def measure(methods: list[str], model: str | None, many: int, folder: Path) -> dict[str, Any]:
    """Return the figures: the best of the rounds, in which everything takes its turn."""
    few, long = (make_corpus(folder / str(n) / "corpus", n) for n in (FEW, LONG))
    speeds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for method in methods:
            speeds.setdefault(method, []).append(run(long, method, model)["x_real_time"])
    scaling: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, own in scaling.items():
            own.append(run(long, methods[0], model, workers)["x_real_time"])
    corpus = make_corpus(folder / "many" / "corpus", many)
    memory = {str(n): run(one, methods[0], model)["peak_mb"] for n, one in ((FEW, few), (many, corpus))}
    return {
        "x_real_time_one_worker": {method: max(own) for method, own in speeds.items()},
        "two_workers_over_one": max(scaling[2]) / max(scaling[1]),
        "x_real_time": {str(workers): max(own) for workers, own in scaling.items()},
        "peak_mb_by_utterances": memory,
    }


def main() -> None:
    """Measure and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", default="noise,reverberation,speed,gain,band_pass,audiomentations")
    parser.add_argument("--model", help="folder, for methods that need one; the first method is the one that is scaled")
    parser.add_argument("--many", type=int, default=10_000, help="utterances of the large corpus")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.corpus:
        run_here(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.methods.split(","), arguments.model, arguments.many, Path(folder))
    write_json(RESULT, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

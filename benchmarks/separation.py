"""Real-time factor of Separator on 60 s with the survey's VAE, and the memory that 1 and 10 minutes need.

Memory is the peak of a process of its own over what it needed for one second, read and written block by block; the
same with one block for the whole file shows what blocks save. Weights are random: they change nothing here.
Run: python benchmarks/separation.py [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sepvae import audio, seeds
from sepvae.corpora.records import open_corpus
from sepvae.files import write_json
from sepvae.separation.files import separate_file
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig, fresh_checkpoint

RESULT = Path(__file__).parent / "results" / "separation.json"
REAL = Path(os.environ.get("SEPVAE_CORPORA", Path(__file__).parents[2] / "shared" / "corpora")) / "timit-sample"
SAMPLE_RATE, LONG_S, MINUTES = 16000, 60, (1, 10)


def make_separator() -> Separator:
    """Return the survey's VAE for two sources, untrained."""
    torch.manual_seed(0)
    return Separator([fresh_checkpoint(TrainingConfig(), ("female", "male"))])


def recording(seconds: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return (time,) float32: sentences of the sample of TIMIT one after the other, or noise where it is absent."""
    n_samples = seconds * SAMPLE_RATE
    if not REAL.is_dir():
        return (0.1 * seeds.generator(0, "benchmark", "separation").standard_normal(n_samples)).astype(np.float32)
    files = [REAL / utterance.path for utterance in open_corpus(REAL).utterances()]
    speech = np.concatenate([audio.read_mono(file, SAMPLE_RATE) for file in files])
    return np.resize(speech, n_samples)


def peak_bytes() -> int:
    """Return the largest memory this process has held."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_memory_here(path: Path, seconds: int, *, whole: bool) -> None:
    """Print, as JSON, the bytes that a file takes over what one second does, and the seconds it took."""
    torch.set_num_threads(1)
    separator = make_separator()
    with tempfile.TemporaryDirectory() as scratch:
        short = Path(scratch) / "short.wav"
        audio.write(short, audio.read(path, n_samples=SAMPLE_RATE).wave, sample_rate=SAMPLE_RATE)
        separate_file(separator, short, Path(scratch) / "short")
        before, started = peak_bytes(), time.perf_counter()
        if whole:
            wave = audio.read(path).wave
            list(separator.stream(lambda start, stop: wave[:, start:stop], n_samples=wave.shape[1], block_s=seconds))
        else:
            separate_file(separator, path, Path(scratch) / "long")
        sys.stdout.write(json.dumps({"bytes": peak_bytes() - before, "seconds": time.perf_counter() - started}))


def measure_memory(folder: Path, minutes: int, *, whole: bool) -> dict[str, float]:
    """Return what `measure_memory_here` says in a process of its own, in MB and real-time factors."""
    path = folder / f"{minutes}.wav"
    audio.write(path, recording(60 * minutes), sample_rate=SAMPLE_RATE)
    command = [sys.executable, __file__, "--memory", str(path), str(60 * minutes), str(int(whole))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"mb": round(found["bytes"] / 1e6, 1), "real_time_factor": round(found["seconds"] / (60 * minutes), 5)}


def real_time_factors(rounds: int) -> list[float]:
    """Return seconds of computing per second of audio, after one round to warm up."""
    separator, wave = make_separator(), recording(LONG_S)
    factors = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        separator.separate(wave, SAMPLE_RATE)
        factors.append((time.perf_counter() - started) / LONG_S)
    return factors[1:]


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        path, seconds, whole = args.memory
        measure_memory_here(Path(path), int(seconds), whole=whole == "1")
        return
    speed = {}
    all_threads = torch.get_num_threads()
    for threads in dict.fromkeys((1, all_threads)):
        torch.set_num_threads(threads)
        factors = real_time_factors(args.rounds)
        speed[str(threads)] = {
            "real_time_factor": round(statistics.median(factors), 5),
            "range": [round(min(factors), 5), round(max(factors), 5)],
        }
        median = statistics.median(factors)
        print(f"{LONG_S} s, {threads} threads: real-time factor {median:.4f} ({1 / median:.0f} times real time)")
    memory = {}
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in MINUTES:
            for whole in (False, True):
                name = f"{minutes} min, {'one block' if whole else 'blocks'}"
                memory[name] = measure_memory(Path(scratch), minutes, whole=whole)
                print(f"{name:18}: {memory[name]['mb']:8.1f} MB over one second's")
    write_json(
        RESULT,
        {
            "task": f"survey's VAE, two sources, one channel at {SAMPLE_RATE} Hz, random weights",
            "rounds": args.rounds,
            "cores": os.cpu_count(),
            "versions": {name: importlib.metadata.version(name) for name in ("sepvae", "torch", "numpy")},
            "speed_by_threads": speed,
            "memory": memory,
        },
    )


if __name__ == "__main__":
    main()

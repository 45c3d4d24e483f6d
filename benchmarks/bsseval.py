"""BSSEval of 2 sources x 4 s at 16 kHz: speed against mir_eval and fast_bss_eval's NumPy path, and agreement in dB.

Every round times all programs one after the other, so that what else the machine does falls on all of them alike;
the figures are ratios of times within a round. Run: python benchmarks/bsseval.py [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import fast_bss_eval.numpy
import mir_eval.separation
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from sepvae import seeds
from sepvae.evaluation.bsseval import bss_eval_sources
from sepvae.files import write_json

RESULT = Path(__file__).parent / "results" / "bsseval.json"
SAMPLE_RATE, DURATION_S, N_SOURCES, BATCH = 16000, 4, 2, 8
OURS = "sepvae"

Array = np.ndarray[Any, np.dtype[np.float64]]
Scores = tuple[Array, ...]


def make_signals() -> tuple[Array, Array]:
    """Return references and estimates (batch, n_sources, time): noise shaped like speech, with crosstalk and noise."""
    generator = seeds.generator(0, "benchmark", "bsseval")
    white = generator.standard_normal((BATCH, N_SOURCES, SAMPLE_RATE * DURATION_S))
    references = white.copy()
    for delay, weight in ((1, 0.9), (2, 0.5), (7, -0.3)):
        references[..., delay:] += weight * white[..., :-delay]
    noise = generator.standard_normal(references.shape)
    return references, references + 0.2 * references[:, ::-1] + 0.3 * noise


def solve_as_numpy_1(solve: Callable[..., Array]) -> Callable[..., Array]:
    """Return NumPy 1's reading of a stack of vectors, without which fast_bss_eval's fixed order fails on NumPy 2."""

    def solve_stack(a: Array, b: Array) -> Array:
        return solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else solve(a, b)

    return solve_stack


def programs(best: bool) -> dict[str, Callable[[Array, Array], Scores]]:
    """Return each program as a function of references and estimates (n_sources, time)."""

    def ours(references: Array, estimates: Array) -> Scores:
        scores = bss_eval_sources(references=references, estimates=estimates, permutation="best" if best else "fixed")
        return tuple(score.numpy() for score in scores[:3])

    def mir(references: Array, estimates: Array) -> Scores:
        return tuple(mir_eval.separation.bss_eval_sources(references, estimates, compute_permutation=best)[:3])

    def fast(references: Array, estimates: Array) -> Scores:
        with mock.patch.object(np.linalg, "solve", solve_as_numpy_1(np.linalg.solve)):
            return tuple(fast_bss_eval.numpy.bss_eval_sources(references, estimates, compute_permutation=best)[:3])

    return {OURS: ours, "mir_eval": mir, "fast_bss_eval": fast}


def measure(best: bool, rounds: int) -> dict[str, Any]:
    """Time all programs on one item, and ours on a batch, in `rounds` rounds after one to warm up."""
    references, estimates = make_signals()
    permutation: Literal["fixed", "best"] = "best" if best else "fixed"
    times: dict[str, list[float]] = {}
    scores: dict[str, Scores] = {}
    for number in range(rounds + 1):
        for name, program in programs(best).items():
            start = time.perf_counter()
            scores[name] = program(references[0], estimates[0])
            if number:
                times.setdefault(name, []).append(time.perf_counter() - start)
        start = time.perf_counter()
        bss_eval_sources(references=references, estimates=estimates, permutation=permutation)
        if number:
            times.setdefault("batch", []).append((time.perf_counter() - start) / BATCH)
    result: dict[str, Any] = {}
    for name in ("mir_eval", "fast_bss_eval"):
        ratios = [theirs / ours for theirs, ours in zip(times[name], times[OURS], strict=True)]
        batched = [theirs / ours for theirs, ours in zip(times[name], times["batch"], strict=True)]
        difference = max(float(np.abs(a - b).max()) for a, b in zip(scores[OURS], scores[name], strict=True))
        result[name] = {
            "times_faster": statistics.median(ratios),
            "times_faster_range": [min(ratios), max(ratios)],
            "times_faster_in_a_batch": statistics.median(batched),
            "largest_difference_db": difference,
        }
    return result


def main() -> None:
    """Measure with one thread and with all, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", FutureWarning)
    all_threads = torch.get_num_threads()
    results = []
    print("threads  order  against        times faster  range         batch  dB apart")
    for threads in dict.fromkeys((1, all_threads)):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            for best in (False, True):
                for name, figures in measure(best, rounds).items():
                    order = "best" if best else "fixed"
                    results.append({"threads": threads, "permutation": order, "against": name, **figures})
                    low, high = figures["times_faster_range"]
                    print(
                        f"{threads:7}  {order:5}  {name:13}  {figures['times_faster']:12.1f}  {low:4.1f} to {high:4.1f}"
                        f"  {figures['times_faster_in_a_batch']:5.1f}  {figures['largest_difference_db']:8.0e}"
                    )
    packages = ("torch", "numpy", "scipy", "mir_eval", "fast_bss_eval")
    write_json(
        RESULT,
        {
            "task": f"{N_SOURCES} sources x {DURATION_S} s at {SAMPLE_RATE} Hz, 512 taps; batches of {BATCH}",
            "rounds": rounds,
            "cores": os.cpu_count(),
            "versions": {name: importlib.metadata.version(name) for name in packages},
            "results": results,
        },
    )


if __name__ == "__main__":
    main()

"""Time of the Cauchy–Schwarz divergence, with gradients, over that of its matrix products, and the memory it needs.

8192 codes of 128 dimensions against as many samples of a prior; only the codes need a gradient. The products are those
of any exact computation whose memory is linear: the inner products of the three sets of pairs, the same again for the
two sets with a gradient, and for these the product of the weights with the samples. Each round times both, one after
the other. Memory is the peak of a process of its own over what it held before.
Run: python benchmarks/divergences.py [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sepvae.files import write_json
from sepvae.objectives.divergences import cauchy_schwarz_divergence

RESULT = Path(__file__).parent / "results" / "divergences.json"
SAMPLES, DIMENSIONS, BLOCK = 8192, 128, 256


def divergence(codes: torch.Tensor, prior: torch.Tensor) -> None:
    """Compute the divergence and the gradient of the codes."""
    codes = codes.detach().requires_grad_()
    cauchy_schwarz_divergence(codes, prior, kernel_variance=float(2 * DIMENSIONS)).backward()  # type: ignore[no-untyped-call]


def products(codes: torch.Tensor, prior: torch.Tensor) -> None:
    """Make the matrix products alone, in blocks that fit the cache."""
    for left, right, with_gradient in ((codes, codes, True), (prior, prior, False), (codes, prior, True)):
        for block in torch.split(left, BLOCK):
            torch.mm(block, right.T)
            if with_gradient:
                torch.mm(block @ right.T, right)


def seconds(work: Callable[[torch.Tensor, torch.Tensor], None], codes: torch.Tensor, prior: torch.Tensor) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work(codes, prior)
    return time.perf_counter() - started


def peak_mb() -> float:
    """Return the most memory this process has held (Linux; a child's ru_maxrss starts at its parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def measure_memory() -> None:
    """Print how many MB more than before the divergence needs."""
    codes, prior = torch.randn(2, SAMPLES, DIMENSIONS)
    divergence(codes[:64], prior[:64])
    before = peak_mb()
    divergence(codes, prior)
    print(peak_mb() - before)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        measure_memory()
        return
    torch.manual_seed(0)
    codes, prior = torch.randn(2, SAMPLES, DIMENSIONS)
    ratios, times = [], []
    for _ in range(args.rounds + 1):
        ours, theirs = seconds(divergence, codes, prior), seconds(products, codes, prior)
        ratios.append(ours / theirs)
        times.append(ours)
    child = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    results = {
        "torch": importlib.metadata.version("torch"),
        "threads": torch.get_num_threads(),
        "samples": SAMPLES,
        "dimensions": DIMENSIONS,
        "seconds": round(statistics.median(times[1:]), 3),
        "ratio_to_products": round(statistics.median(ratios[1:]), 2),
        "ratio_range": [round(min(ratios[1:]), 2), round(max(ratios[1:]), 2)],
        "memory_mb": round(float(child.stdout)),
    }
    for name, value in results.items():
        print(f"{name}: {value}")
    write_json(RESULT, results)


if __name__ == "__main__":
    main()

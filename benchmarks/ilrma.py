"""ILRMA of sepvae, ssspy and pyroomacoustics, and AuxIVA of sepvae and pyroomacoustics: SDR over seeds, and CPU time.

All have the same recordings, window, hop, number of spectra of each source and of iterations, start from W = I and stop
at no tolerance; only the first spectra are drawn, by each in its own way, so that there are several seeds. They take
turns on each recording; times are those of one core, and ratios those of neighbours. AuxIVA draws nothing.

Two talkers and two microphones, the recordings of benchmarks/demixing.py. ssspy is no dependency of sepvae: without it
(pip install ssspy) its row is left out. pyroomacoustics 0.10 scales the columns of W by the powers of the sources where
its update has written rows, so that its row is of that.
Run: python benchmarks/ilrma.py [--mixtures 8] [--seeds 0 1 2 3] [--iterations 100]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demixing import RATE, REAL, mixtures, scenes, sdr, spread, timed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.files import write_json
from sepvae.frontend.stft import Stft, StftConfig

RESULT = Path(__file__).parent / "results" / "ilrma.json"
STFT = {"window_ms": 128, "hop_ms": 32}
N_BASES = 2

# Spectrum (channels, bins, frames), seed and iterations to images of the sources (sources, bins, frames).
Separate = Callable[[NDArray[np.complex128], int, int], NDArray[np.complex128]]


def ours(spectrum: NDArray[np.complex128], seed: int, iterations: int, *, algorithm: str) -> NDArray[np.complex128]:
    """Return the images that sepvae makes."""
    settings = {"iterations": iterations, "tolerance": 0.0}
    if algorithm == "ilrma":
        settings |= {"n_bases": N_BASES, "seed": seed}
    x = torch.from_numpy(spectrum).transpose(0, 1)[None]
    found = AlgorithmChoice.of(algorithm, settings).build().separate(x, n_sources=len(spectrum), sample_rate=RATE)
    images: NDArray[np.complex128] = found.images[0].transpose(0, 1).numpy()
    return images


def of_ssspy(spectrum: NDArray[np.complex128], seed: int, iterations: int) -> NDArray[np.complex128]:
    """Return the images that ssspy makes."""
    from ssspy.bss.ilrma import GaussILRMA

    separate = GaussILRMA(N_BASES, record_loss=False, rng=np.random.default_rng(seed))
    images: NDArray[np.complex128] = separate(spectrum, n_iter=iterations)
    return images


def of_pyroomacoustics(
    spectrum: NDArray[np.complex128], seed: int, iterations: int, *, algorithm: str
) -> NDArray[np.complex128]:
    """Return the images that pyroomacoustics makes."""
    from pyroomacoustics import bss

    x = np.ascontiguousarray(spectrum.transpose(2, 1, 0))
    if algorithm == "auxiva":
        found = bss.auxiva(x, n_iter=iterations, model="gauss")
    else:
        np.random.seed(seed)  # noqa: NPY002 (it draws from the global generator)
        found = bss.ilrma(x, n_iter=iterations, n_components=N_BASES)
    images: NDArray[np.complex128] = found.transpose(2, 1, 0)
    return images


def forms() -> dict[str, dict[str, Separate]]:
    """Return what is compared, by algorithm and package; ours is the first."""
    ilrma: dict[str, Separate] = {"sepvae": partial(ours, algorithm="ilrma")}
    if importlib.util.find_spec("ssspy") is None:
        print("ssspy is not installed (pip install ssspy): its row is left out")
    else:
        ilrma["ssspy"] = of_ssspy
    ilrma["pyroomacoustics"] = partial(of_pyroomacoustics, algorithm="ilrma")
    auxiva: dict[str, Separate] = {
        "sepvae": partial(ours, algorithm="auxiva"),
        "pyroomacoustics": partial(of_pyroomacoustics, algorithm="auxiva"),
    }
    return {"ilrma": ilrma, "auxiva": auxiva}


def measure(
    packages: dict[str, Separate], recordings: list[Any], *, seeds: list[int], iterations: int
) -> dict[str, NDArray[np.float64]]:
    """Return the seconds of a core and the SDR in dB of each package, (recordings, seeds, 2)."""
    stft = Stft(StftConfig(**STFT), sample_rate=RATE)
    found = {name: np.zeros((len(recordings), len(seeds), 2)) for name in packages}
    for place, (heard, truth) in enumerate(recordings):
        spectrum = stft.analyse(torch.from_numpy(heard)).transpose(1, 2).contiguous().numpy()
        if place == 0:  # libraries load when they are first called
            for separate in packages.values():
                separate(spectrum, 0, 1)
        for number, seed in enumerate(seeds):
            for name, separate in packages.items():
                seconds, images = timed(partial(separate, spectrum, seed, iterations))
                found[name][place, number] = seconds, sdr(_batch(images), stft, truth)
    return found


def _batch(images: NDArray[np.complex128]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).transpose(0, 1)[None]


def summary(found: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, Any]]:
    """Return SDR, its spread over seeds, and how many times longer than ours each package takes."""
    own = found["sepvae"][..., 0].sum(1)
    rows = {}
    for name, values in found.items():
        decibels = values[..., 1]
        rows[name] = {
            "sdr": round(float(decibels.mean()), 2),
            "sdr of each seed": [round(float(value), 2) for value in decibels.mean(0)],
            "range over seeds of a recording": spread(np.ptp(decibels, axis=1).tolist()),
            "seconds": round(statistics.median(values[..., 0].ravel().tolist()), 3),
            "over ours": spread((values[..., 0].sum(1) / own).tolist()),
        }
    return rows


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixtures", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--iterations", type=int, default=100)
    args = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"{REAL}: no sample of TIMIT there: set SEPVAE_CORPORA")
    torch.set_num_threads(1)
    results: dict[str, Any] = {
        "cores": os.cpu_count(),
        "threads": 1,
        "mixtures": args.mixtures,
        "seeds": args.seeds,
        "iterations": args.iterations,
        "stft": STFT,
        "n_bases": N_BASES,
    }
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "pyroomacoustics")}
    if importlib.util.find_spec("ssspy") is not None:
        versions["ssspy"] = importlib.metadata.version("ssspy")
    with threadpool_limits(1):
        recordings = scenes(mixtures(), args.mixtures)
        for algorithm, packages in forms().items():
            seeds = args.seeds if algorithm == "ilrma" else args.seeds[:1]
            rows = summary(measure(packages, recordings, seeds=seeds, iterations=args.iterations))
            results[algorithm] = rows
            for name, row in rows.items():
                print(f"{algorithm} {name}: {row}", flush=True)
    write_json(RESULT, {**results, "versions": versions})


if __name__ == "__main__":
    main()

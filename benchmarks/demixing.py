"""Time and SDR of MVAE and of FastMVAE2 with gradient steps beside the published algorithms written plainly.

Also how time grows with the recording.

The plain ones follow the papers' public description: from W = I, one source at a time, 100 steps of Adam an iteration
(MVAE), sums by einsum over all pairs of channels, the same network. 8.2 s of two talkers and two microphones at windows
of 2048 and hops of 1024 samples, in a simulated room; the sentences are not among those the network has learnt.
Run: python benchmarks/demixing.py [--model DIR] [--iterations 60] [--mixtures 8] [--mvae 2]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae.corpora.records import open_corpus
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.covariance import Observation
from sepvae.demixing.loop import identity
from sepvae.demixing.projection_back import project_back
from sepvae.demixing.updates import iterative_projection
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.evaluation.bsseval import bss_eval_sources
from sepvae.files import write_json
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.mixture import render
from sepvae.mixing.protocol import make_mixtures
from sepvae.mixing.rooms import images_of, impulse_responses
from sepvae.mixing.single_source import speech_mixtures
from sepvae.models.conditional import ConditionalVae
from sepvae.seeds import generator
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "demixing.json"
REAL = Path(os.environ.get("SEPVAE_CORPORA", ROOT.parent / "shared" / "corpora")) / "timit-sample"
RATE, SECONDS, RT60_S = 16000, 8.2, 0.15
STFT = {"window_ms": 128, "hop_ms": 64}
FLOOR = 1e-8
# Ours, and what it is compared with, of so many steps of Adam an iteration.
PAIRS = (("fastmvae2_refined", "fastmvae2", 0), ("mvae", "mvae", 100))


def mixtures() -> Any:
    """Return the manifest that the network is trained on and the sentences are taken from."""
    config = MixingConfig(sources=("any", "any"), room={"rt60_s": RT60_S})
    return make_mixtures(list(open_corpus(REAL).utterances()), config, root=REAL, seed=0)


def train_model(manifest: Any, folder: Path) -> None:
    """Train the network of the preset conditional_vae at the STFT of the papers' code."""
    settings = preset("conditional_vae")
    settings["frontend"]["stft"] = STFT
    learnt, valid = (speech_mixtures(manifest.of_split(name), REAL) for name in ("train", "valid"))
    data = TrainingData(learnt, valid, REAL)
    train(TrainingConfig.model_validate(settings), data, folder, seed=0, device="cpu")


def scenes(manifest: Any, count: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return what two microphones hear (channels, time), and the images at the first (sources, time), of some rooms."""
    found = []
    for mixture in manifest.of_split("test")[:count]:
        dry = render(mixture.model_copy(update={"scene": None}), REAL).sources.values()
        responses = impulse_responses(mixture.scene, sample_rate=RATE)
        long = [np.resize(wave, round(SECONDS * RATE)) for wave in dry]
        images = np.stack([images_of(w, r, g) for w, r, g in zip(long, responses, mixture.scene.gains, strict=True)])
        found.append((images.sum(0).astype(np.float64), images[:, 0].astype(np.float64)))
    return found


def plain_projection(x: NDArray[Any], w: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """Return demixing matrices (bins, sources, channels) after one sweep, from x (bins, frames, channels)."""
    for j in range(w.shape[1]):
        covariance = np.einsum("fnm,fnk,fn->fmk", x, x.conj(), 1 / v[j]) / x.shape[1]
        unit = np.zeros((w.shape[0], w.shape[1], 1), complex)
        unit[:, j] = 1
        vector = np.linalg.solve(w @ covariance, unit)[..., 0]
        energy = np.einsum("fm,fmk,fk->f", vector.conj(), covariance, vector).real
        w[:, j] = (vector / np.sqrt(energy)[:, None]).conj()
    return w


def plain(x: NDArray[Any], model: ConditionalVae, *, iterations: int, steps: int) -> NDArray[Any]:
    """Return W of MVAE (`steps` of Adam an iteration) or of FastMVAE2 (`steps` 0), for x (bins, frames, channels)."""
    n_bins, _, n_sources = x.shape
    w = np.tile(np.eye(n_sources, dtype=complex), (n_bins, 1, 1))
    states: list[Any] = [None] * n_sources
    for _ in range(iterations):
        y = np.einsum("fjm,fnm->jfn", w, x)
        scale = np.sqrt((np.abs(y) ** 2).mean((1, 2)))
        w, y = w / scale[None, :, None], y / scale[:, None, None]
        v = np.empty(y.shape)
        for j in range(n_sources):
            power = torch.from_numpy((np.abs(y[j]) ** 2).T[None].astype(np.float32))
            states[j] = plain_source(model, power, states[j], steps)
            with torch.no_grad():
                variances = model.decode(states[j][0], states[j][1].softmax(-1)).spectrum[0] + FLOOR
            gain = (power[0] / variances).mean()
            v[j] = (variances * gain).numpy().T
        w = plain_projection(x, w, v)
    return w


def plain_source(model: ConditionalVae, power: Tensor, state: Any, steps: int) -> Any:
    """Return latents and log-classes of one source, and their optimiser."""
    if state is None or steps == 0:
        with torch.no_grad():
            found = model.infer(power)
        state = found.posterior.mean.clone(), found.log_classes.clone(), None
    if steps == 0:
        return state
    latent, classes, optimiser = state
    if optimiser is None:
        latent.requires_grad_(True)
        classes.requires_grad_(True)
        optimiser = torch.optim.Adam([latent, classes], lr=0.01)
    for _ in range(steps):
        variances = model.decode(latent, classes.softmax(-1)).spectrum + FLOOR
        gain = (power / variances).mean().detach()
        loss = (variances.log() + power / (variances * gain)).sum() + 0.5 * latent.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return latent, classes, optimiser


def sdr(images: Tensor, stft: Stft, truth: NDArray[np.float64]) -> float:
    """Return the mean SDR in dB of images (1, bins, sources, frames)."""
    waves = stft.synthesise(images[0].permute(1, 2, 0), n_samples=truth.shape[1])
    return float(bss_eval_sources(references=truth, estimates=waves.numpy(), permutation="best").sdr.mean())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that work takes, and what it gives."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def ours(spectrum: Tensor, model: ConditionalVae, algorithm: str, iterations: int) -> Tensor:
    """Return the images that the package makes, (1, bins, sources, frames)."""
    choice = AlgorithmChoice.of(algorithm, {"iterations": iterations})
    return choice.build(model).separate(spectrum, n_sources=2, sample_rate=RATE).images


def compare(
    manifest: Any, model: ConditionalVae, *, iterations: int, count: int, n_mvae: int
) -> dict[str, dict[str, float]]:
    """Return median times and mean SDR of both forms of both algorithms, on the same recordings in turn.

    MVAE, of which the plain form takes minutes, has the first `n_mvae` of them.
    """
    stft = Stft(StftConfig(**STFT), sample_rate=RATE)
    found: dict[str, dict[str, list[float]]] = {}
    for number, (heard, truth) in enumerate(scenes(manifest, count)):
        spectrum = stft.analyse(torch.from_numpy(heard)).permute(2, 0, 1)[None]
        if number == 0:  # both load libraries when they are first called
            ours(spectrum, model, "fastmvae2_refined", 1)
            plain(spectrum[0].transpose(1, 2).numpy(), model, iterations=1, steps=1)
        for own, name, steps in PAIRS[: 1 + (number < n_mvae)]:
            seconds, images = timed(partial(ours, spectrum, model, own, iterations))
            note(found, f"{own} ours", seconds, sdr(images, stft, truth))
            x = spectrum[0].transpose(1, 2).numpy()
            seconds, w = timed(partial(plain, x, model, iterations=iterations, steps=steps))
            demixing = torch.from_numpy(w)[None]
            note(found, f"{name} plain", seconds, sdr(project_back(demixing, demixing @ spectrum), stft, truth))
    return {
        name: {"seconds": round(statistics.median(entry["seconds"]), 3), "sdr": round(statistics.mean(entry["sdr"]), 2)}
        for name, entry in found.items()
    }


def note(found: dict[str, dict[str, list[float]]], name: str, seconds: float, decibels: float) -> None:
    """Add a measurement."""
    entry = found.setdefault(name, {"seconds": [], "sdr": []})
    entry["seconds"].append(seconds)
    entry["sdr"].append(decibels)


def projection_ms(rounds: int = 30) -> dict[str, float]:
    """Return the milliseconds of a sweep of iterative projection, both forms: 1025 bins, 128 frames, 2 sources.

    Each also separates the spectra by the matrices that it has found.
    """
    random = generator(0, "benchmark", "demixing")
    values = random.standard_normal((1, 1025, 2, 128)) + 1j * random.standard_normal((1, 1025, 2, 128))
    spectrum, weights = torch.from_numpy(values), torch.from_numpy(random.random((1, 1025, 128, 2)) + 0.1)
    observation, start = Observation(spectrum), identity(spectrum, n_sources=2)
    x, v = values[0].transpose(0, 2, 1), 1 / weights[0].permute(2, 0, 1).numpy()
    ours = [timed(lambda: iterative_projection(start, spectrum, observation, weights))[0] for _ in range(rounds)]
    plains = [
        timed(lambda: np.einsum("fjm,fnm->jfn", plain_projection(x, start[0].numpy().copy(), v), x))[0]
        for _ in range(rounds)
    ]
    return {"ours": round(1e3 * statistics.median(ours), 2), "plain": round(1e3 * statistics.median(plains), 2)}


def scaling(model: ConditionalVae) -> dict[str, dict[str, float]]:
    """Return the seconds of ten iterations for several channels, lengths and batches of noise."""
    stft = Stft(StftConfig(**STFT), sample_rate=RATE)
    random = generator(0, "benchmark", "scaling")

    def seconds(algorithm: str, channels: int, length_s: float, batch: int) -> float:
        wave = torch.from_numpy(random.laplace(size=(batch, channels, round(length_s * RATE))))
        spectrum = stft.analyse(wave).permute(0, 3, 1, 2)
        few = {"start_iterations": 0} if algorithm == "fastmvae2_refined" else {}
        chosen = AlgorithmChoice.of(algorithm, {"iterations": 10, "tolerance": 0, **few}).build(model)
        return timed(lambda: chosen.separate(spectrum, n_sources=channels, sample_rate=RATE))[0]

    found: dict[str, dict[str, float]] = {}
    for algorithm in ("auxiva", "ilrma", "fastmvae2_refined"):
        found[f"{algorithm}, channels"] = {str(n): round(seconds(algorithm, n, 8.0, 1), 3) for n in range(2, 9)}
        found[f"{algorithm}, seconds"] = {str(n): round(seconds(algorithm, 2, n, 1), 3) for n in (4, 8, 16, 32, 64)}
        found[f"{algorithm}, batch"] = {str(n): round(seconds(algorithm, 2, 8.0, n), 3) for n in (1, 2, 4, 8)}
    return found


def draw(found: dict[str, dict[str, float]], path: Path) -> None:
    """Draw how time grows, one panel for each axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), layout="constrained")
    for place, axis in enumerate(("channels", "seconds", "batch")):
        panel = figure.add_subplot(1, 3, place + 1)
        for algorithm in ("auxiva", "ilrma", "fastmvae2_refined"):
            entry = found[f"{algorithm}, {axis}"]
            panel.loglog([float(n) for n in entry], list(entry.values()), marker="o", label=algorithm)
        panel.set_xticks([float(n) for n in entry], labels=list(entry))
        panel.tick_params(axis="x", which="minor", labelbottom=False)
        panel.set_xlabel({"seconds": "length (s)"}.get(axis, axis))
        panel.set_ylabel("s for 10 iterations")
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--mixtures", type=int, default=8)
    parser.add_argument("--mvae", type=int, default=2, help="of these for MVAE, whose plain form takes minutes")
    args = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"{REAL}: no sample of TIMIT there: set SEPVAE_CORPORA")
    manifest = mixtures()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.model or Path(scratch)
        if args.model is None:
            train_model(manifest, folder)
        (model,) = load_checkpoint(folder).estimator.networks.values()
    if not isinstance(model, ConditionalVae):
        raise SystemExit(f"{args.model}: no model of conditional_vae")
    results: dict[str, Any] = {"torch": importlib.metadata.version("torch"), "cores": os.cpu_count()}
    results |= {"threads": torch.get_num_threads(), "iterations": args.iterations}
    results |= {"mixtures": args.mixtures, "mixtures of mvae": args.mvae}
    results["projection_ms"] = projection_ms()
    print(results["projection_ms"], flush=True)
    results["algorithms"] = compare(manifest, model, iterations=args.iterations, count=args.mixtures, n_mvae=args.mvae)
    for own, name, _ in PAIRS:
        ours, written_plainly = results["algorithms"][f"{own} ours"], results["algorithms"][f"{name} plain"]
        print(f"{own}: ours {ours}, plain {written_plainly}, {written_plainly['seconds'] / ours['seconds']:.1f} times")
    results["scaling"] = scaling(model)
    draw(results["scaling"], RESULT.with_suffix(".png"))
    write_json(RESULT, results)


if __name__ == "__main__":
    main()

"""CPU time and SDR of MVAE and FastMVAE2 beside the published algorithms written plainly, at equal work and starts.

The plain ones follow the papers' public description: one source at a time, sums by einsum over all pairs of channels.
Both forms have the same network in single precision, the same start (W = I, or the same matrices of AuxIVA), the same
number of iterations and of gradient steps at the same rate, and neither stops early. They take turns on each recording;
times are those of one core, and ratios those of neighbours. Behind AuxIVA both should find the same. From W = I they
may part: ours takes no step that raises the objective, and asks the inference again as long as that is better.

Beside that, under names of their own: what the early stop and bfloat16 buy ours, a sweep of the projection, and how
time grows with the recording.

8.2 s of two talkers and two microphones at windows of 2048 and hops of 1024 samples, in a simulated room; the sentences
are not among those the network has learnt.
Run: python benchmarks/demixing.py [--model DIR] [--iterations 60] [--mixtures 8] [--papers 8]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from sepvae.corpora.records import open_corpus
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.contract import Separated, SpeechModel
from sepvae.demixing.covariance import Observation
from sepvae.demixing.loop import demix, identity
from sepvae.demixing.projection_back import project_back
from sepvae.demixing.updates import iterative_projection
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.evaluation.bsseval import bss_eval_sources
from sepvae.files import write_json
from sepvae.frontend.levels import rms_levels
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Manifest
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

Found = TypeVar("Found")


class Work(NamedTuple):
    """How many steps of Adam an iteration makes for each source, and at what rate; 0 is one pass of the inference."""

    steps: int
    rate: float = 0.1


# FastMVAE2 as published, with the steps of ours behind it, MVAE with the steps of ours, and with those of the papers.
PAPERS = "mvae, 100 steps"
WORK = {"fastmvae2": Work(0), "fastmvae2_refined, 3 steps": Work(3), "mvae, 5 steps": Work(5), PAPERS: Work(100, 0.01)}


def mixtures() -> Manifest:
    """Return the manifest that the network is trained on and the sentences are taken from."""
    config = MixingConfig(sources=("any", "any"), room={"rt60_s": RT60_S})
    return make_mixtures(list(open_corpus(REAL).utterances()), config, root=REAL, seed=0)


def train_model(manifest: Manifest, folder: Path) -> None:
    """Train the network of the preset conditional_vae at the STFT and the levels of the papers' code."""
    settings = preset("conditional_vae")
    settings["frontend"] |= {"stft": STFT, "levels": "whole"}
    learnt, valid = (speech_mixtures(manifest.of_split(name), REAL) for name in ("train", "valid"))
    data = TrainingData(learnt, valid, REAL)
    train(TrainingConfig.model_validate(settings), data, folder, seed=0, device="cpu")


def scenes(manifest: Manifest, count: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return what two microphones hear (channels, time), and the images at the first (sources, time), of some rooms."""
    found = []
    for mixture in manifest.of_split("test")[:count]:
        if mixture.scene is None:
            raise TypeError("the settings of the benchmark make no rooms")
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


def plain(x: NDArray[Any], start: NDArray[Any], model: ConditionalVae, *, work: Work, iterations: int) -> NDArray[Any]:
    """Return W of MVAE or of FastMVAE2 (no steps), for x (bins, frames, channels)."""
    w = start.copy()
    states: list[Any] = [None] * x.shape[2]
    for _ in range(iterations):
        y = np.einsum("fjm,fnm->jfn", w, x)
        scale = np.sqrt((np.abs(y) ** 2).mean((1, 2)))
        w, y = w / scale[None, :, None], y / scale[:, None, None]
        v = np.empty(y.shape)
        for j in range(len(states)):
            power = torch.from_numpy((np.abs(y[j]) ** 2).T[None].astype(np.float32))
            states[j] = plain_source(model, power, states[j], work)
            with torch.no_grad():
                variances = model.decode(states[j][0], states[j][1].softmax(-1)).spectrum[0] + FLOOR
            gain = (power[0] / variances).mean()
            v[j] = (variances * gain).numpy().T
        w = plain_projection(x, w, v)
    return w


def plain_source(model: ConditionalVae, power: Tensor, state: Any, work: Work) -> Any:
    """Return latents and log-classes of one source, and their optimiser."""
    if state is None or work.steps == 0:
        with torch.no_grad():
            found = model.infer(power)
        state = found.posterior.mean.clone(), found.log_classes.clone(), None
    if work.steps == 0:
        return state
    latent, classes, optimiser = state
    if optimiser is None:
        latent.requires_grad_(True)
        classes.requires_grad_(True)
        optimiser = torch.optim.Adam([latent, classes], lr=work.rate)
    for _ in range(work.steps):
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


def timed(work: Callable[[], Found]) -> tuple[float, Found]:
    """Return the seconds of a core that work takes, and what it gives."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Return the median, the least and the greatest of some values."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def at_unit_power(model: ConditionalVae) -> SpeechModel:
    """Return a network that sees sources at a mean power of 1, as the papers' code has it."""
    return SpeechModel(model, rms_levels)


def starts(spectrum: Tensor, model: ConditionalVae) -> dict[str, Tensor]:
    """Return the matrices (1, bins, sources, channels) that both forms start from: I, and those of 40 of AuxIVA."""
    first = torch.zeros(spectrum.shape[:3], dtype=spectrum.dtype)
    first[:, :, 0] = 1
    auxiva = AlgorithmChoice.of("fastmvae2", {}).build(at_unit_power(model)).start(spectrum, first, None)
    return {"identity": identity(spectrum, n_sources=spectrum.shape[2]), "auxiva": auxiva}


def ours(spectrum: Tensor, start: Tensor, model: ConditionalVae, *, work: Work, iterations: int) -> Tensor:
    """Return the images that the package makes, (1, bins, sources, frames)."""
    steps = {"steps": work.steps, "learning_rate": work.rate} if work.steps else {}
    name = "mvae" if work.steps else "fastmvae2"
    sources = AlgorithmChoice.of(name, {"precision": "32-true", **steps}).build(at_unit_power(model)).variances(1, None)
    demixed = demix(spectrum, sources, n_iterations=iterations, demixing=start, tolerance=0.0)
    return project_back(demixed.demixing, demixed.separated)


def plain_images(spectrum: Tensor, start: Tensor, model: ConditionalVae, *, work: Work, iterations: int) -> Tensor:
    """Return the images that the plain form makes, (1, bins, sources, frames)."""
    x = spectrum[0].transpose(1, 2).numpy()
    demixing = torch.from_numpy(plain(x, start[0].numpy(), model, work=work, iterations=iterations))[None]
    return project_back(demixing, demixing @ spectrum)


class Pair(NamedTuple):
    """Seconds of a core and SDR in dB of ours and of the plain form, on one recording."""

    seconds: tuple[float, float]
    sdr: tuple[float, float]


def as_shipped(spectrum: Tensor, model: ConditionalVae) -> dict[str, Callable[[], Separated]]:
    """Return our algorithms with what they come with: their own start, an early stop, and bfloat16 where it is fast."""
    found: dict[str, Callable[[], Separated]] = {}
    for name in ("fastmvae2", "fastmvae2_refined", "mvae"):
        forms: dict[str, dict[str, Any]] = {
            name: {},
            f"{name}, to the end, single precision": {"tolerance": 0, "precision": "32-true"},
        }
        for form, settings in forms.items():
            algorithm = AlgorithmChoice.of(name, settings).build(at_unit_power(model))
            found[form] = partial(algorithm.separate, spectrum, n_sources=2, sample_rate=RATE)
    return found


def compare(
    manifest: Manifest, model: ConditionalVae, *, iterations: int, count: int, papers: int
) -> dict[str, dict[str, Any]]:
    """Return both comparisons over `count` recordings; the hundred steps of the papers over `papers` of them."""
    stft = Stft(StftConfig(**STFT), sample_rate=RATE)
    pairs: dict[str, list[Pair]] = {}
    shipped: dict[str, list[tuple[float, float, int]]] = {}
    for number, (heard, truth) in enumerate(scenes(manifest, count)):
        spectrum = stft.analyse(torch.from_numpy(heard)).permute(2, 0, 1)[None]
        for start, demixing in starts(spectrum, model).items():
            for name, work in WORK.items():
                if name == PAPERS and number >= papers:
                    continue
                forms = [partial(form, spectrum, demixing, model, work=work) for form in (ours, plain_images)]
                if number == 0:  # libraries load when they are first called
                    [form(iterations=1) for form in forms]
                # Which goes first alternates with the recordings.
                order = (0, 1) if number % 2 == 0 else (1, 0)
                made = {place: timed(partial(forms[place], iterations=iterations)) for place in order}
                seconds = made[0][0], made[1][0]
                pair = Pair(seconds, (sdr(made[0][1], stft, truth), sdr(made[1][1], stft, truth)))
                pairs.setdefault(f"{name}, start {start}", []).append(pair)
                print(number, name, start, pair, flush=True)
        for name, separate in as_shipped(spectrum, model).items():
            taken, found = timed(separate)
            shipped.setdefault(name, []).append((taken, sdr(found.images, stft, truth), found.n_iterations))
    return {
        "equal_work": {name: summary(found) for name, found in pairs.items()},
        "as_shipped": {
            name: {
                "seconds": spread([row[0] for row in rows]),
                "sdr": round(statistics.mean(row[1] for row in rows), 2),
                "iterations": spread([row[2] for row in rows], 0),
            }
            for name, rows in shipped.items()
        },
    }


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return how many times longer the plain form takes, and the seconds and SDR of both."""
    own, other = zip(*(pair.seconds for pair in pairs), strict=True)
    sdr_own, sdr_other = zip(*(pair.sdr for pair in pairs), strict=True)
    return {
        "mixtures": len(pairs),
        "plain over ours": spread([there / here for here, there in zip(own, other, strict=True)]),
        "seconds": {"ours": round(statistics.median(own), 3), "plain": round(statistics.median(other), 3)},
        "sdr": {"ours": round(statistics.mean(sdr_own), 2), "plain": round(statistics.mean(sdr_other), 2)},
        "sdr, ours less plain": spread([here - there for here, there in zip(sdr_own, sdr_other, strict=True)]),
    }


def projection(rounds: int = 30) -> dict[str, Any]:
    """Return the milliseconds of a sweep of iterative projection, both forms: 1025 bins, 128 frames, 2 sources.

    Each also separates the spectra by the matrices that it has found.
    """
    random = generator(0, "benchmark", "demixing")
    values = random.standard_normal((1, 1025, 2, 128)) + 1j * random.standard_normal((1, 1025, 2, 128))
    spectrum, weights = torch.from_numpy(values), torch.from_numpy(random.random((1, 1025, 128, 2)) + 0.1)
    observation, start = Observation(spectrum), identity(spectrum, n_sources=2)
    x, v = values[0].transpose(0, 2, 1), 1 / weights[0].permute(2, 0, 1).numpy()
    own, other = list[float](), list[float]()
    for _ in range(rounds):
        own.append(1e3 * timed(lambda: iterative_projection(start, spectrum, observation, weights))[0])
        written = timed(lambda: np.einsum("fjm,fnm->jfn", plain_projection(x, start[0].numpy().copy(), v), x))
        other.append(1e3 * written[0])
    milliseconds = {"ours": round(statistics.median(own), 2), "plain": round(statistics.median(other), 2)}
    return {"milliseconds": milliseconds, "plain over ours": spread([b / a for a, b in zip(own, other, strict=True)])}


def scaling(model: ConditionalVae) -> dict[str, dict[str, float]]:
    """Return the seconds of a core that ten iterations take for several channels, lengths and batches of noise."""
    stft = Stft(StftConfig(**STFT), sample_rate=RATE)
    random = generator(0, "benchmark", "scaling")

    def seconds(algorithm: str, channels: int, length_s: float, batch: int) -> float:
        wave = torch.from_numpy(random.laplace(size=(batch, channels, round(length_s * RATE))))
        spectrum = stft.analyse(wave).permute(0, 3, 1, 2)
        few = {"start_iterations": 0} if algorithm == "fastmvae2_refined" else {}
        chosen = AlgorithmChoice.of(algorithm, {"iterations": 10, "tolerance": 0, **few}).build(at_unit_power(model))
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
    parser.add_argument("--papers", type=int, default=8, help="of these with the 100 steps of the papers: minutes each")
    args = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"{REAL}: no sample of TIMIT there: set SEPVAE_CORPORA")
    torch.set_num_threads(1)
    manifest = mixtures()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as scratch:
        folder = args.model or Path(scratch)
        if args.model is None:
            train_model(manifest, folder)
        (model,) = load_checkpoint(folder).estimator.networks.values()
        if not isinstance(model, ConditionalVae):
            raise SystemExit(f"{args.model}: no model of conditional_vae")
        model.eval()
        results: dict[str, Any] = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
        results |= {"cores": os.cpu_count(), "threads": 1, "iterations": args.iterations}
        results["projection"] = projection()
        results |= compare(manifest, model, iterations=args.iterations, count=args.mixtures, papers=args.papers)
        for name, found in results["equal_work"].items():
            print(f"{name}: plain over ours {found['plain over ours']}, SDR {found['sdr']}")
        results["scaling"] = scaling(model)
    draw(results["scaling"], RESULT.with_suffix(".png"))
    write_json(RESULT, results)


if __name__ == "__main__":
    main()

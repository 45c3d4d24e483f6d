"""Training frames per second of sepvae's loop against plain PyTorch loops over the same networks, batches and data.

The plain loops are what one writes by hand: one gathers batches from tensors in memory, one uses a DataLoader; neither
guards, logs, resumes or saves. Every round times all of them one after the other, so that what else the machine does
falls on all alike; the figures are ratios within a round.
Run: python benchmarks/training.py [--rounds N] [--threads N…] [--corpus DIR]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sepvae import audio, progress, seeds
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.files import hash_file, write_json
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Mixture, Source
from sepvae.mixing.protocol import make_mixtures
from sepvae.training.batches import FrameTable
from sepvae.training.config import TrainingConfig, fresh_checkpoint
from sepvae.training.frame_batches import FrameBatches
from sepvae.training.loop import Trainer, TrainingData

RESULT = Path(__file__).parent / "results" / "training.json"
REAL = Path(os.environ.get("SEPVAE_CORPORA", Path(__file__).parents[2] / "shared" / "corpora")) / "timit-sample"
SAMPLE_RATE, DURATION_S, N_MIXTURES = 16000, 3, 40
# The survey's networks with sepvae's defaults: both sources, Gaussian likelihood, β = 1.
CONFIG = {"optimiser": {"epochs": 2, "batch_size": 128, "learning_rate": 1e-3}}
OURS, PLAIN = "sepvae", "plain loop"


def generated(folder: Path) -> list[Mixture]:
    """Write noise shaped like two kinds of voices and return mixtures of it."""
    mixtures = []
    for number in range(N_MIXTURES):
        sources = []
        for name, delay in (("female", 2), ("male", 5)):
            random = seeds.generator(0, "benchmark", "training", name, number)
            wave = 0.05 * random.standard_normal(SAMPLE_RATE * DURATION_S)
            wave[delay:] += 0.9 * wave[:-delay]
            path = folder / f"{name}{number}.wav"
            audio.write(path, wave.astype(np.float32), sample_rate=SAMPLE_RATE)
            place = {"start": 0, "n_samples": len(wave), "offset": 0, "gain": 1.0, "sha256": hash_file(path)}
            sources.append(Source(name=name, utterance="", path=path.name, speaker=name, sex="unknown", **place))
        sizes = {"sample_rate": SAMPLE_RATE, "n_samples": SAMPLE_RATE * DURATION_S}
        mixtures.append(Mixture(id=f"train-{number}", split="train", sources=tuple(sources), **sizes))
    return mixtures


def training_data(corpus: Path | None, scratch: Path) -> tuple[TrainingData, str]:
    """Return the survey's training mixtures of a corpus, or generated ones, and what they are."""
    if corpus is None:
        return TrainingData(generated(scratch), [], scratch), f"{N_MIXTURES} generated mixtures of {DURATION_S} s"
    utterances = list(open_corpus(corpus).utterances())
    mixtures = make_mixtures(utterances, MixingConfig(), root=corpus, seed=0).of_split("train")
    return TrainingData(mixtures, [], corpus), f"{len(mixtures)} mixtures of {corpus.name}"


def negative_elbo(network: Any, features: Tensor, target: Tensor) -> Tensor:
    """Return the loss of one VAE, as one writes it by hand."""
    mean: Tensor
    log_variance: Tensor
    mean, log_variance = network.encode(features)
    latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    error = nn.functional.gaussian_nll_loss(
        network.decode(latent).spectrum, target, torch.ones_like(target), full=True, reduction="none"
    )
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
    return error.sum(-1).mean() + divergence.mean()


def in_memory(tensors: Sequence[Tensor], batch_size: int) -> Iterator[Sequence[Tensor]]:
    """Yield shuffled batches gathered from tensors."""
    order = torch.randperm(len(tensors[0]))
    for index in torch.split(order[: len(order) // batch_size * batch_size], batch_size):
        yield [tensor[index] for tensor in tensors]


def data_loader(tensors: Sequence[Tensor], batch_size: int) -> Iterator[Sequence[Tensor]]:
    """Yield shuffled batches of torch's DataLoader."""
    dataset = torch.utils.data.TensorDataset(*tensors)
    yield from torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)


def run_plain(
    config: TrainingConfig, names: tuple[str, ...], table: FrameTable, batches: Callable[..., Iterator[Any]]
) -> float:
    """Train by hand and return frames per second."""
    networks = fresh_checkpoint(config, names).estimator.networks
    tensors = [table.input.clone(), *(table.targets[name].clone() for name in names)]
    optimiser = torch.optim.AdamW(networks.parameters(), lr=config.optimiser.learning_rate, weight_decay=0, fused=True)
    n_frames, started = 0, time.perf_counter()
    for _ in range(config.optimiser.epochs):
        for features, *targets in batches(tensors, config.optimiser.batch_size):
            losses = [
                negative_elbo(network, features, target)
                for network, target in zip(networks.values(), targets, strict=True)
            ]
            optimiser.zero_grad()
            torch.autograd.backward(torch.stack(losses).sum())
            optimiser.step()
            n_frames += len(features)
    return n_frames / (time.perf_counter() - started)


def run_ours(config: TrainingConfig, data: TrainingData, out: Path) -> tuple[float, float, Trainer]:
    """Train with sepvae and return frames per second of the whole run and of its steps alone."""
    trainer = Trainer(config, data, out, seed=0, device="cpu")
    started = time.perf_counter()
    state = trainer.run()
    seconds = time.perf_counter() - started
    return (
        state.step * trainer.batches.batch_size / seconds,
        statistics.median(row["frames_per_s"] for row in state.history),
        trainer,
    )


def measure(config: TrainingConfig, data: TrainingData, scratch: Path, rounds: int) -> dict[str, list[float]]:
    """Return frames per second of every loop in each round, after one to warm up."""
    speeds: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        whole, steps, trainer = run_ours(config, data, scratch / f"run{number}")
        if not isinstance(trainer.batches, FrameBatches):
            raise TypeError("the settings of the benchmark make no batches of frames")
        table, names = trainer.batches.table, trainer.checkpoint.config.sources
        found = {
            OURS: whole,
            "sepvae, steps alone": steps,
            PLAIN: run_plain(config, names, table, in_memory),
            "plain loop, DataLoader": run_plain(config, names, table, data_loader),
        }
        if number:
            for name, speed in found.items():
                speeds.setdefault(name, []).append(speed)
    return speeds


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--corpus", type=Path, default=REAL if REAL.is_dir() else None, help="a folder; else generated")
    all_threads = torch.get_num_threads()
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, all_threads}))
    args = parser.parse_args()
    progress.configure(quiet=True)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    config = parse_config(TrainingConfig, CONFIG, where="benchmark")
    results = []
    print(f"{'threads':>7}  {'loop':24}  {'frames/s':>9}  {'of the plain loop':>17}  {'range':>13}")
    with tempfile.TemporaryDirectory() as scratch:
        data, description = training_data(args.corpus, Path(scratch))
        for threads in args.threads:
            torch.set_num_threads(threads)
            speeds = measure(config, data, Path(scratch) / str(threads), args.rounds)
            for name, values in speeds.items():
                ratios = [own / plain for own, plain in zip(values, speeds[PLAIN], strict=True)]
                speed, ratio, low, high = statistics.median(values), statistics.median(ratios), min(ratios), max(ratios)
                print(f"{threads:7}  {name:24}  {speed:9,.0f}  {ratio:17.2f}  {low:5.2f} - {high:5.2f}")
                figures: dict[str, Any] = {"frames_per_s": round(speed), "ratio": round(ratio, 3)}
                figures["ratio_range"] = [round(low, 3), round(high, 3)]
                results.append({"threads": threads, "loop": name, **figures})
    write_json(
        RESULT,
        {
            "task": f"survey's VAE, two sources, batches of 128 frames, {description}",
            "rounds": args.rounds,
            "cores": os.cpu_count(),
            "versions": {name: importlib.metadata.version(name) for name in ("sepvae", "torch", "lightning-fabric")},
            "results": results,
        },
    )


if __name__ == "__main__":
    main()

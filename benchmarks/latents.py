"""What a latent tells and withstands: the trained temporal VAEs of recipes/develop/ablation.yaml, looked at again.

Two questions that SDR on matched mixtures does not answer, on development speakers that no model has heard:

* Does the spread of the posterior say where an estimate is wrong? For each quarter of a second of each source: the
  energy of what draws of the latents disagree in, over that of the estimate, against the error over the reference, by
  Spearman's rank correlation. Beside it what needs no latent: how far the estimate lies below the other source's.
* Does it help where mixtures are of a kind that no model has heard: recorded or Gaussian noise 10 dB below, and a room.

Run: python benchmarks/latents.py OUT [OUT…], each of `sepvae recipe run recipes/develop/ablation.yaml --set seed=…`
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from sepvae import audio, seeds
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.estimator.separating import SpectralEstimator
from sepvae.evaluation.bsseval import bss_eval_sources
from sepvae.files import read_json, write_json
from sepvae.mixing.manifest import Mixture, read_manifest
from sepvae.mixing.mixture import render
from sepvae.mixing.rooms import images_of
from sepvae.models.contract import Posterior, most_likely
from sepvae.objectives.elbo import sample

RESULT = Path(__file__).parent / "results" / "latents.json"
SHARED = Path(os.environ.get("SEPVAE_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
PART = "speaker_open"
BLOCK_S, N_DRAWS, NOISE_DB = 0.25, 8, 10.0

Wave = NDArray[np.float32]


class Heard(NamedTuple):
    """A mixture (time,) as a system is given it, its true sources (sources, time), and their names."""

    mixture: Wave
    sources: Wave
    names: tuple[str, ...]


def with_noise(heard: Heard, noise: Wave) -> Heard:
    """Lay a noise of any length under a mixture, NOISE_DB below it."""
    noise = np.resize(noise, len(heard.mixture))
    gain = np.sqrt(np.mean(heard.mixture**2) / np.mean(noise**2)) * 10 ** (-NOISE_DB / 20)
    return heard._replace(mixture=heard.mixture + np.float32(gain) * noise)


def in_room(heard: Heard, responses: list[Wave]) -> Heard:
    """Put the talkers into a measured room; the references are what one microphone hears of each."""
    images = np.stack([images_of(wave, response)[0] for wave, response in zip(heard.sources, responses, strict=True)])
    return heard._replace(mixture=images.sum(0), sources=images)


def conditions(mixture: Mixture, root: Path, number: int) -> Iterator[tuple[str, Heard]]:
    """Yield a test mixture as it is and in the conditions that no model has heard."""
    rendered, rate = render(mixture, root), mixture.sample_rate
    dry = Heard(rendered.mixture, np.stack(list(rendered.sources.values())), tuple(rendered.sources))
    yield "as in training", dry
    random = seeds.generator(0, "benchmark", "latents", mixture.id)
    yield "Gaussian noise", with_noise(dry, random.standard_normal(len(dry.mixture)).astype(np.float32))
    recordings = sorted((SHARED / "noise").glob("*/*.flac"))
    if recordings:
        yield "recorded noise", with_noise(dry, audio.read_mono(recordings[number % len(recordings)], rate))
    places = sorted((SHARED / "rir" / "surrey-room-a").glob("*.wav"))
    if places:
        chosen = random.choice(len(places), len(dry.sources), replace=False)
        responses = [_read(places[place], rate) for place in chosen]
        yield "measured room", in_room(dry, responses)


def _read(path: Path, rate: int) -> Wave:
    """Return the impulse response to the first microphone, (1, taps)."""
    wave, own = audio.read(path)
    return np.asarray(audio.resample(wave[:1], from_rate=own, to_rate=rate), np.float32)


def estimate(model: SpectralEstimator, heard: Heard, draw: torch.Generator | None = None) -> Wave:
    """Return the estimates (sources, time), of the most likely latents or of drawn ones."""
    sampler = most_likely if draw is None else partial(_drawn, draw)
    with torch.inference_mode():
        waves = model.estimate(torch.from_numpy(heard.mixture)[None], sampler).waves
    return np.stack([waves[name][0].numpy() for name in heard.names])


def _drawn(draw: torch.Generator, posterior: Posterior) -> Tensor:
    return sample(posterior, epsilon_std=1.0, generator=draw)


def blocks(energy: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the energies (sources, blocks) of whole blocks of `size` samples of squares (sources, time)."""
    n_blocks = energy.shape[-1] // size
    return np.asarray(energy[..., : n_blocks * size].reshape(*energy.shape[:-1], n_blocks, size).sum(-1))


def told(model: SpectralEstimator, heard: Heard, rate: int, draw: torch.Generator) -> dict[str, Any]:
    """Return for each block of each source its error, and what might have told of it, all in dB."""
    size, found = round(BLOCK_S * rate), estimate(model, heard).astype(np.float64)
    draws = np.stack([estimate(model, heard, draw) for _ in range(N_DRAWS)])
    floor = 1e-4 * size * float(np.mean(heard.mixture**2))

    def level(squares: NDArray[np.float64]) -> NDArray[np.float64]:
        return 10 * np.log10(blocks(squares, size) + floor)

    own, other = level(found**2), level(found[::-1] ** 2)
    spread = level(((draws - draws.mean(0)) ** 2).mean(0).astype(np.float64))
    error = level((found - heard.sources) ** 2) - level(heard.sources.astype(np.float64) ** 2)
    return {"error": error.ravel(), "spread": (spread - own).ravel(), "other": (other - own).ravel()}


def correlations(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the rank correlation with the error of the spread, of the other's level, and of both ranks together."""
    joined = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    ranks = {key: np.argsort(np.argsort(values)) for key, values in joined.items()}
    both = ranks["spread"] + ranks["other"]
    named = {"spread": joined["spread"], "level of the other": joined["other"], "both": both}
    return {key: round(float(spearmanr(values, joined["error"]).statistic), 3) for key, values in named.items()}


def measure(folder: Path, root: Path) -> dict[str, Any]:
    """Return what is found of every trained system of one run."""
    manifest = read_manifest(folder / PART / "mixtures.jsonl")
    tests = list(manifest.of_split("test"))
    found: dict[str, Any] = {}
    for system in sorted((folder / PART / "systems").glob("temporal_vae_*")):
        models = {place.name: load_checkpoint(place).estimator for place in sorted(system.iterdir())}
        draw = torch.Generator().manual_seed(seeds.derive_seed(0, "benchmark", "latents", system.name) % (1 << 63))
        scores: dict[str, list[float]] = {}
        rows: list[dict[str, Any]] = []
        for number, mixture in enumerate(tests):
            model = models[str(mixture.group)]
            if not isinstance(model, SpectralEstimator):
                raise TypeError(f"{system}: {type(model).__name__} gives no spectra")
            for name, heard in conditions(mixture, root, number):
                sdr = bss_eval_sources(references=heard.sources, estimates=estimate(model, heard)).sdr
                scores.setdefault(name, []).append(float(np.mean(np.asarray(sdr))))
                if name == "as in training":
                    rows.append(told(model, heard, mixture.sample_rate, draw))
        sdr_db = {name: round(float(np.mean(values)), 2) for name, values in scores.items()}
        found[system.name.removeprefix("temporal_vae_")] = {"sdr_db": sdr_db, "error_told_by": correlations(rows)}
        print(f"{folder.name} {system.name}: {found[system.name.removeprefix('temporal_vae_')]}", flush=True)
    return {"n_mixtures": len(tests), "systems": found}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="OUT")
    parser.add_argument("--corpus", type=Path, default=SHARED / "librispeech-sample")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {str(read_json(run / "recipe.json")["seed"]): measure(run, arguments.corpus) for run in arguments.runs}
    versions = {name: importlib.metadata.version(name) for name in ("sepvae", "torch", "numpy", "scipy")}
    task = f"{BLOCK_S} s blocks, {N_DRAWS} draws, noise {NOISE_DB:g} dB below the mixture"
    write_json(RESULT, {"task": task, "seeds": found, "versions": versions})


if __name__ == "__main__":
    main()

"""Every verb that writes, with tiny inputs, and a program that runs them and makes them end."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.config import parse_config
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.mixing.manifest import Header, Manifest, write_manifest
from sepvae.outputs import LIST_NAME, listed_outputs
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint
from sepvae.training.loop import TrainingData

RATE = 8000
SMALL_MODEL = ("model.settings.hidden=[16]", "model.settings.latent=4", "optimiser.batch_size=64")
MIXING = ("sample_rate=8000", "duration_s=[0.2,0.3]", "n_train=2", "n_valid=1", "n_test=2")
RECIPE = """
kind: separation
title: Noise
mixing: {sources: [anna, ben], n_train: 1, n_valid: 1, n_test: 2, sample_rate: 8000, duration_s: [0.2, 0.3]}
splits: [speaker_seen]
evaluation: {measures: [si_sdr]}
systems:
  floor: {kind: mixture}
  nmf: {kind: nmf, settings: {n_atoms: 4, train_iterations: 5, fit_iterations: 5}}
"""


def _settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@dataclass(frozen=True)
class Inputs:
    """The files that the verbs read, in one folder."""

    root: Path

    def commands(self, out: Path) -> dict[str, list[str]]:
        """Return the arguments of each verb whose outputs all lie in a folder."""
        root, quiet = self.root, ["-q"]
        recordings = [f"{root}/a.wav", f"{root}/b.wav"]
        train = ["--corpus", f"{root}/humming", "-o", f"{out}/run", "-d", "cpu", *quiet]
        small = _settings("frontend.sample_rate=8000", "optimiser.epochs=2", *SMALL_MODEL)
        recipe = ["recipe", "run", f"{root}/recipe.yaml", "--corpus", f"{root}/voices", "-o", f"{out}/o", "-d", "cpu"]
        demix = ["--algorithm", "auxiva", *_settings("stft={window_ms: 32, hop_ms: 8}", "iterations=2")]
        return {
            "separate": ["separate", *recordings, "-m", f"{root}/model", "-o", f"{out}/o", "-d", "cpu", *quiet],
            "enhance": [
                *("enhance", *recordings, "-m", f"{root}/speech", "-o", f"{out}/o", "-d", "cpu", *quiet),
                *_settings("inference.settings.n_steps=2"),
            ],
            "demix": ["demix", f"{root}/a.wav", f"{root}/c.wav", *demix, "-o", f"{out}/o", "-d", "cpu", *quiet],
            "mix": [
                *("mix", f"{root}/voices", "-o", f"{out}/m.jsonl", "--audio", f"{out}/audio", *quiet),
                *_settings("sources=[anna,ben]", *MIXING),
            ],
            "train": ["train", f"{root}/humming.jsonl", *train, "--preset", "vae", *small],
            "evaluate": [
                *("evaluate", "--references", f"{root}/references", "--estimates", f"{root}/references"),
                *("--measures", "si_sdr", "-o", f"{out}/scores.csv", "-j", "1", *quiet),
            ],
            "augment run": [
                *("augment", "run", f"{root}/voices", "-o", f"{out}/o", "--methods", "gain", "--copies", "1"),
                *("-j", "1", *quiet, *_settings("output.utterances_per_archive=4")),
            ],
            "corpus demo": ["corpus", "demo", f"{out}/demo", "--speakers", "4", "-j", "2", *quiet],
            "recipe run": [*recipe, "-j", "1", *quiet],
            "recipe run -j 2": [*recipe, "-j", "2", *quiet],
        }


@pytest.fixture(scope="session")
def inputs(humming: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    root, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    for name, rate in (("a", 16000), ("b", RATE), ("c", 16000)):
        audio.write(root / f"{name}.wav", 0.1 * rng.laplace(size=(2, rate)).astype(np.float32), sample_rate=rate)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = {"model": (TrainingConfig(), ["female", "male"])}
        made["speech"] = (parse_config(TrainingConfig, preset("speech_prior"), where="test"), ["speech"])
        for name, (config, sources) in made.items():
            save_checkpoint(root / name, fresh_checkpoint(config, sources), provenance={"seed": 0})
    shutil.copytree(humming.root, root / "humming")
    write_manifest(root / "humming.jsonl", Manifest(Header(), (*humming.train, *humming.valid)))
    for speaker in ("anna", "ben"):
        for number in range(12):
            wave = 0.1 * rng.standard_normal(RATE // 2).astype(np.float32)
            audio.write(root / "voices" / speaker / f"{number}.wav", wave, sample_rate=RATE, subtype="pcm16")
    for item in range(3):
        for source in ("s1", "s2"):
            wave = 0.1 * rng.standard_normal(RATE // 2).astype(np.float32)
            audio.write(root / "references" / f"item{item}" / f"{source}.wav", wave, sample_rate=RATE)
    (root / "recipe.yaml").write_text(RECIPE)
    return Inputs(root)


# What tells of the clock: no two runs have it alike.
_CLOCK = re.compile(
    r'"(core_seconds|seconds|frames_per_s|date|processor|started|separate_s|train_s)": *(\{[^}]*\}|"[^"]*"|[^,}\n]+)'
)


def _content(path: Path) -> str:
    data = path.read_bytes()
    if path.name == "log.csv":
        rows = list(csv.reader(data.decode().splitlines()))
        clock = [rows[0].index(name) for name in ("seconds", "frames_per_s")]
        data = repr([[cell for place, cell in enumerate(row) if place not in clock] for row in rows]).encode()
    elif path.name == LIST_NAME:
        # Of a line that a kill tore, the beginning stays, and says nothing.
        data = "\n".join(sorted(listed_outputs(path.parent))).encode()
    elif path.match("stages/report.json"):
        # It is made of the seconds that all others took.
        data = b""
    elif path.suffix in (".json", ".md"):
        data = _CLOCK.sub("", data.decode()).encode()
    return hashlib.sha256(data).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Return all that lies in a folder, hidden or not, by name: the hash of a file without what tells of the clock."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # TensorBoard's files are named after the clock, and a run that goes on adds one.
        if "tensorboard/" not in name:
            found[name] = "folder" if path.is_dir() else _content(path)
    return found


Started = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """What runs the command line in a process of its own; see `killed.py`."""
    log = tmp_path_factory.mktemp("log")
    command = [sys.executable, str(Path(__file__).with_name("killed.py"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        stdin, stdout, first = server.stdin, server.stdout, True

        def start(argv: Sequence[str], folder: Path, **how: Any) -> dict[str, Any]:
            nonlocal first
            stdin.write(json.dumps({"argv": list(argv), "folder": str(folder), "log": str(log), **how}) + "\n")
            if first:
                assert stdout.readline() == "ready\n"
                first = False
            found: dict[str, Any] = json.loads(stdout.readline())
            return found

        yield start
        stdin.close()

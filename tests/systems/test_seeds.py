"""What is drawn when a system separates follows a setting `seed`, wherever that stands, and a recipe can change it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sepvae.demixing import ALGORITHMS
from sepvae.demixing.contract import algorithms
from sepvae.demixing.gmvae import start_from_delays
from sepvae.estimator import generative
from sepvae.mixing.mixture import Rendered, render
from sepvae.systems.contract import Estimates, SystemChoice, TrainingMixtures
from sepvae.training.loop import TrainingData

RATE = 8000
STFT = {"window_ms": 32, "hop_ms": 8}
SPEECH: dict[str, Any] = {
    "frontend": {"sample_rate": RATE, "stft": STFT},
    "optimiser": {"epochs": 1, "batch_size": 64},
}
CONDITIONAL = {
    "frontend": {
        "sample_rate": RATE,
        "stft": STFT,
        "input": {"kind": "power"},
        "target": {"kind": "power"},
    },
    "model": {"kind": "conditional_vae", "settings": {"hidden": 4, "latent": 2, "decoder_blocks": 1}},
    "objective": {"kind": "conditional_elbo", "settings": {"hop_s": 0.008}},
    "optimiser": {"epochs": 1, "batch_size": 4, "segment_frames": 20},
}
ENHANCED = {
    **SPEECH,
    "frontend": {**SPEECH["frontend"], "input": {"kind": "log_power"}, "target": {"kind": "power"}},
    "model": {"settings": {"hidden": [8], "latent": 2, "output": "exp"}},
    "objective": {"settings": {"likelihood": "itakura_saito"}},
}


def enhanced(inference: str) -> dict[str, Any]:
    return {**ENHANCED, "enhancement": {"n_iterations": 2, "inference": inference}}


def fitted(n_restarts: int) -> dict[str, Any]:
    model = {"kind": "generator", "settings": {"encoder": "dense", "latent": 4}}
    objective = {"settings": {"likelihood": "poisson"}}
    return {**SPEECH, "model": model, "objective": objective, "inference": {"n_steps": 2, "n_restarts": n_restarts}}


# Systems, their settings, and whether separation draws.
SEPARATION: dict[str, tuple[str, dict[str, Any], bool]] = {
    "ilrma": ("demixing", {"algorithm": {"kind": "ilrma", "settings": {"iterations": 2, "stft": STFT}}}, True),
    "auxiva": ("demixing", {"algorithm": {"kind": "auxiva", "settings": {"iterations": 2, "stft": STFT}}}, False),
    "fastmnmf": ("fastmnmf", {"n_bases": 2, "iterations": 2, "stft": STFT}, True),
    "ica": ("ica", {"iterations": 3}, True),
    "enhancement_mcem": ("enhancement", enhanced("mcem"), True),
    "enhancement_map": ("enhancement", enhanced("map"), True),
    "enhancement_langevin": ("enhancement", enhanced("langevin"), True),
    # The only fit starts from the encoders.
    "generative": ("generative", fitted(n_restarts=1), False),
}


def two_microphones(item: Rendered) -> Rendered:
    second = sum(0.8 * np.roll(wave, late) for wave, late in zip(item.sources.values(), (2, -2), strict=True))
    return replace(item, channels=np.stack([item.mixture, second]).astype(np.float32))


@pytest.fixture
def mixtures(humming: TrainingData, tmp_path: Path) -> TrainingMixtures:
    return TrainingMixtures(humming.train, humming.valid, humming.root, 0, "cpu", tmp_path / "models")


def separated(choice: SystemChoice, mixtures: TrainingMixtures, folder: Path) -> Estimates:
    """Train from the seed of the mixtures, whatever the choice's, and separate."""
    folder.mkdir()
    system = choice.build(sample_rate=RATE)
    system.train(mixtures, folder)
    system.load(folder, device="cpu")
    return system.separate(two_microphones(render(mixtures.valid[0], mixtures.root)))


def same(one: Estimates, other: Estimates) -> bool:
    return all(np.array_equal(wave, other[name]) for name, wave in one.items())


@pytest.mark.parametrize("name", SEPARATION)
def test_separation_draws_from_the_setting(name: str, mixtures: TrainingMixtures, tmp_path: Path) -> None:
    """Trained from the same seed, so that nothing but the draws of the separation can differ."""
    kind, settings, draws = SEPARATION[name]
    choice = SystemChoice.of(kind, settings)
    first = separated(choice, mixtures, tmp_path / "first")
    assert same(first, separated(choice, mixtures, tmp_path / "again"))
    other = separated(choice.reseeded(1), mixtures, tmp_path / "other")
    assert same(first, other) is not draws
    assert same(other, separated(choice.reseeded(1), mixtures, tmp_path / "other again"))


def test_fits_of_generative_models_start_from_the_setting(
    mixtures: TrainingMixtures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of the fits may be the one that was not drawn: the starts themselves are looked at."""
    starts: list[list[Tensor]] = []

    def noted(posteriors: Any, config: generative.GenerativeConfig) -> list[Tensor]:
        starts.append(draw_starts(posteriors, config))
        return starts[-1]

    draw_starts = generative.draw_starts
    monkeypatch.setattr(generative, "draw_starts", noted)
    choice = SystemChoice.of("generative", fitted(n_restarts=2))
    for number, own in enumerate((choice, choice.reseeded(1), choice.reseeded(1))):
        separated(own, mixtures, tmp_path / str(number))
    (first, other, again) = (found[0] for found in starts)
    assert torch.equal(first[:, 0], other[:, 0])
    assert not torch.equal(first[:, 1], other[:, 1])
    assert torch.equal(other, again)


def test_gmvae_draws_where_there_are_fewer_microphones_than_talkers() -> None:
    choice = SystemChoice.of("demixing", {"algorithm": "gmvae", "training": CONDITIONAL})
    spectrum = torch.randn((1, 9, 2, 20), generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    found = []
    for own in (choice, choice.reseeded(1), choice.reseeded(1)):
        config = own.config().algorithm.config()  # type: ignore[attr-defined]
        found.append(start_from_delays(spectrum, config, n_sources=3, sample_rate=RATE).variances)
    assert torch.equal(found[1], found[2])
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("algorithm", [*ALGORITHMS])
def test_algorithms_with_a_model_or_a_seed_draw(algorithm: str) -> None:
    needs_model = algorithm not in algorithms(needs_model=False).split(", ")
    choice = SystemChoice.of("demixing", {"algorithm": algorithm, "training": CONDITIONAL if needs_model else None})
    assert choice.facts("mine").draws is (algorithm != "auxiva")


def test_every_seed_is_replaced_wherever_it_stands_and_nothing_else() -> None:
    choice = SystemChoice.of("enhancement", ENHANCED).model_copy(update={"label": "Mine", "seeds": 3})
    changed = choice.reseeded(7)
    assert changed.settings["enhancement"]["seed"] not in (0, 7)
    assert changed.settings["enhancement"]["seed"] < 2**31
    assert changed == choice.reseeded(7) != choice.reseeded(8)
    assert (changed.label, changed.seeds) == ("Mine", 3)
    settings = {**changed.settings, "enhancement": {**changed.settings["enhancement"], "seed": 0}}
    assert settings == choice.settings
    # What it was decides as well: two systems that were drawn apart stay so.
    ilrma = [SystemChoice.of("fastmnmf", {"seed": seed}).reseeded(7).settings["seed"] for seed in (0, 1)]
    assert ilrma[0] != ilrma[1]

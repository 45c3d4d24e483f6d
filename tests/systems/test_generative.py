"""Models of sources that know nothing of each other; what all systems promise is in `test_systems.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.mixing.mixture import render
from sepvae.systems.contract import System, SystemChoice, TrainingMixtures
from sepvae.training.loop import TrainingData

RATE = 8000
SMALL: dict[str, Any] = {
    "frontend": {"sample_rate": RATE, "stft": {"window_ms": 16, "hop_ms": 8}},
    "model": {"kind": "generator", "settings": {"encoder": "dense", "latent": 32}},
    "objective": {"settings": {"likelihood": "poisson"}},
    "optimiser": {"epochs": 2, "batch_size": 64},
    "inference": {"n_steps": 3},
}


def make(**settings: Any) -> System[Any]:
    config = SystemChoice.of("generative", {**SMALL, **settings})
    return config.build(sample_rate=RATE)


def weights(folder: Path) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in load_checkpoint(folder).estimator.networks.state_dict().values()]


def test_a_model_of_a_source_depends_on_that_source_alone(humming: TrainingData, tmp_path: Path) -> None:
    mixtures = TrainingMixtures(humming.train, humming.valid, humming.root, seed=0, device="cpu", shared=tmp_path)
    hiss = [mixture.sources[1] for mixture in humming.train]
    # The same hums, the hisses in another order, louder, and fewer of them.
    others = [
        mixture.model_copy(update={"sources": (mixture.sources[0], hiss[-1 - n // 2].amplified(2.0))})
        for n, mixture in enumerate(humming.train)
    ]
    make().train(mixtures, tmp_path / "one")
    make().train(replace(mixtures, train=others), tmp_path / "two")
    assert weights(tmp_path / "one/hum") == weights(tmp_path / "two/hum")
    assert weights(tmp_path / "one/hiss") != weights(tmp_path / "two/hiss")
    assert load_checkpoint(tmp_path / "one/hum").config.sources == ("hum",)


@pytest.mark.parametrize(
    "settings",
    [
        {
            "model": {"kind": "generator", "settings": {"critic": 9, "latent": 8}},
            "objective": {"kind": "adversarial", "settings": {"game": "gan"}},
        },
        {
            "frontend": {**SMALL["frontend"], "input": {"kind": "log_power"}, "target": {"kind": "power"}},
            "model": {"kind": "conv_time_vae", "settings": {"hidden": 8, "latent": 2}},
            "objective": {"kind": "elbo", "settings": {"likelihood": "itakura_saito"}},
            "optimiser": {"epochs": 1, "batch_size": 4, "segment_frames": 16},
            "inference": {"likelihood": "itakura_saito", "n_steps": 3, "gain": "frame"},
        },
    ],
    ids=["gan", "vass"],
)
def test_games_and_vaes_are_trained_and_fitted(humming: TrainingData, tmp_path: Path, settings: dict[str, Any]) -> None:
    system, item = make(**settings), render(humming.valid[0], humming.root)
    system.train(
        TrainingMixtures(humming.train, humming.valid, humming.root, seed=0, device="cpu", shared=tmp_path), tmp_path
    )
    system.load(tmp_path, device="cpu")
    estimates = system.separate(item)
    assert set(estimates) == {"hum", "hiss"}
    assert sum(estimates.values()) == pytest.approx(item.mixture, abs=1e-5)


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give inference, such as"):
        make(inference=None)
    with pytest.raises(ConfigError, match=r"frontend.sample_rate = 16000: the mixtures are at 8000 Hz"):
        make(frontend={})
    with pytest.raises(CheckpointError, match="holds no models of sources: train the system first"):
        make().load(tmp_path, device="cpu")
    with pytest.raises(ConfigError, match=r"inference.likelihood = itakura_saito adds up .* power, .* is magnitude"):
        make(inference={"likelihood": "itakura_saito"})
    with pytest.raises(ConfigError, match="inference generative fits networks of one source each, temporal_vae is n"):
        make(model={"kind": "temporal_vae"}, objective={"kind": "wave_sdr"})

"""One suite for every system of the closed table: train, load, separate; and what each promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sepvae.errors import CheckpointError, ConfigError
from sepvae.mixing.mixture import Rendered, render
from sepvae.systems import SYSTEMS
from sepvae.systems.contract import Material, System, SystemChoice
from sepvae.training.loop import TrainingData

RATE = 8000
STFT = {"window_ms": 32, "hop_ms": 8}
# Settings under which a system learns the humming corpus in a second or two.
QUICK: dict[str, dict[str, Any]] = {
    "demixing": {
        # Rounded to bfloat16, what is ten times louder is not quite the same.
        "algorithm": {
            "kind": "fastmvae2",
            "settings": {"precision": "32-true", "iterations": 4, "start_iterations": 8},
        },
        "training": {
            "frontend": {"sample_rate": RATE, "stft": STFT, "input": {"kind": "power"}, "target": {"kind": "power"}},
            "model": {"kind": "conditional_vae", "settings": {"hidden": 8, "latent": 2, "decoder_blocks": 1}},
            "objective": {"kind": "conditional_elbo", "settings": {"hop_s": 0.008}},
            "optimiser": {"epochs": 3, "batch_size": 8, "segment_frames": 20, "learning_rate": 0.01},
        },
    },
    "enhancement": {
        "frontend": {
            "sample_rate": RATE,
            "stft": {"window_ms": 32, "hop_ms": 8},
            "input": {"kind": "log_power", "floor": 1e-5},
            "target": {"kind": "power"},
        },
        "model": {"settings": {"hidden": [128], "latent": 16, "activation": "tanh", "output": "exp"}},
        "objective": {"settings": {"likelihood": "itakura_saito"}},
        "optimiser": {"epochs": 40, "batch_size": 32, "learning_rate": 1e-2},
        "enhancement": {"n_iterations": 30},
    },
    "fastmnmf": {"n_bases": 2, "iterations": 10, "stft": STFT},
    "filtered": {"filter": {"low_hz": 300, "high_hz": 3400}},
    "generative": {
        "frontend": {"sample_rate": RATE, "stft": {"window_ms": 16, "hop_ms": 8}},
        "model": {"kind": "generator", "settings": {"encoder": "dense", "latent": 32}},
        "objective": {"settings": {"likelihood": "poisson"}},
        "optimiser": {"epochs": 8, "batch_size": 32, "learning_rate": 1e-2},
        "inference": {"n_steps": 30, "n_restarts": 1},
    },
    "ideal_mask": {"mask": "wiener"},
    "oracle_demixing": {"iterations": 5, "stft": STFT},
    "nmf": {"n_atoms": 8, "train_iterations": 60, "fit_iterations": 60},
    "source_models": {
        "frontend": {"sample_rate": RATE},
        "model": {"settings": {"hidden": [32], "latent": 8}},
        "objective": {"settings": {"likelihood": "poisson", "beta": 0.01, "epsilon_std": 0.01}},
        "optimiser": {"epochs": 15, "batch_size": 32, "learning_rate": 1e-2},
    },
}
# Those that hear several microphones; of these the ones that nobody tells who is who.
MULTICHANNEL, BLIND = {"demixing", "fastmnmf", "oracle_demixing"}, {"demixing", "fastmnmf"}
every_system = pytest.mark.parametrize("kind", SYSTEMS)
every_single_channel_system = pytest.mark.parametrize("kind", [kind for kind in SYSTEMS if kind not in MULTICHANNEL])


def make(kind: str, **settings: Any) -> System:
    config = SystemChoice.of(kind, {**QUICK.get(kind, {}), **settings})
    return config.build(sample_rate=RATE)


@pytest.fixture(scope="module")
def material(humming: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Material:
    shared = tmp_path_factory.mktemp("shared")
    return Material(humming.train, humming.valid, humming.root, seed=0, device="cpu", shared=shared)


@pytest.fixture(scope="module")
def trained(material: Material, tmp_path_factory: pytest.TempPathFactory) -> dict[str, System]:
    """Every system, ready to separate, loaded from what its training left behind."""
    torch.set_num_threads(1)
    systems = {}
    for kind in SYSTEMS:
        folder = tmp_path_factory.mktemp(kind)
        make(kind).train(material, folder)
        systems[kind] = make(kind)
        systems[kind].load(folder, device="cpu")
    return systems


@pytest.fixture(scope="module")
def valid_items(humming: TrainingData, hear: Callable[..., Any]) -> list[Rendered]:
    """Mixtures as two microphones hear them."""
    items = [render(mixture, humming.root) for mixture in humming.valid]
    return [replace(item, channels=hear(item.sources, {"hum": (1.3,), "hiss": (-1.1,)})) for item in items]


def snr_db(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))


def improvement_db(system: System, items: list[Rendered]) -> float:
    """Return the mean gain in SNR over the mixture."""
    gains = []
    for item in items:
        for name, estimate in system.separate(item).items():
            gains.append(snr_db(item.sources[name], estimate) - snr_db(item.sources[name], item.mixture))
    return float(np.mean(gains))


@every_system
def test_estimates_are_named_and_shaped_like_the_sources(
    kind: str, trained: dict[str, System], valid_items: list[Rendered]
) -> None:
    for item in valid_items:
        estimates = trained[kind].separate(item)
        assert set(estimates) == set(item.sources)
        for estimate in estimates.values():
            assert estimate.shape == item.mixture.shape
            assert estimate.dtype == np.float32
            assert np.isfinite(estimate).all()


@pytest.mark.parametrize("kind", [kind for kind in SYSTEMS if kind not in {"mixture", "filtered", "ica"}])
def test_masked_estimates_add_up_to_the_mixture(
    kind: str, trained: dict[str, System], valid_items: list[Rendered]
) -> None:
    for item in valid_items:
        np.testing.assert_allclose(sum(trained[kind].separate(item).values()), item.mixture, atol=1e-5)


@every_system
def test_only_ceilings_look_at_the_references(
    kind: str, trained: dict[str, System], valid_items: list[Rendered]
) -> None:
    item = valid_items[0]
    false = {name: np.roll(wave, 500)[::-1].copy() for name, wave in reversed(item.sources.items())}
    told, lied = trained[kind].separate(item), trained[kind].separate(replace(item, sources=false))
    # Names that were not told come in the order of the sources.
    lies = list(lied.values()) if kind in BLIND else [lied[name] for name in told]
    same = all(np.array_equal(one, other) for one, other in zip(told.values(), lies, strict=True))
    assert same is not trained[kind].uses_references


@every_single_channel_system
def test_silence_in_silence_out(kind: str, trained: dict[str, System], valid_items: list[Rendered]) -> None:
    silence = np.zeros(1000, np.float32)
    item = Rendered(silence, dict.fromkeys(valid_items[0].sources, silence), None)
    assert not any(estimate.any() for estimate in trained[kind].separate(item).values())


@every_system
def test_a_gain_carries_through(kind: str, trained: dict[str, System], valid_items: list[Rendered]) -> None:
    item = valid_items[0]
    louder = Rendered(10 * item.mixture, {name: 10 * wave for name, wave in item.sources.items()}, None)
    if item.channels is not None:
        louder = replace(louder, channels=10 * item.channels)
    for name, estimate in trained[kind].separate(item).items():
        np.testing.assert_allclose(trained[kind].separate(louder)[name] / 10, estimate, atol=1e-4)


def test_systems_rank_as_they_must(trained: dict[str, System], valid_items: list[Rendered]) -> None:
    gains = {kind: improvement_db(system, valid_items) for kind, system in trained.items()}
    assert gains["mixture"] == 0
    assert gains["ideal_mask"] > max(gains["nmf"], gains["source_models"])
    assert min(gains["nmf"], gains["source_models"]) > 5


@every_system
def test_training_follows_from_the_seed(
    kind: str, material: Material, valid_items: list[Rendered], tmp_path: Path
) -> None:
    estimates = []
    for number, seed in enumerate([0, 0, 1]):
        system = make(kind)
        system.train(replace(material, seed=seed, shared=tmp_path / f"shared{number}"), tmp_path / str(number))
        system.load(tmp_path / str(number), device="cpu")
        estimates.append(system.separate(valid_items[0])["hum"])
    np.testing.assert_array_equal(estimates[0], estimates[1])
    assert np.array_equal(estimates[0], estimates[2]) is not system.trainable


@every_system
def test_configs_name_their_mistakes(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"system .*: unknown key 'masks'"):
        SystemChoice.of(kind, {"masks": 1}).config()


def test_noise_keeps_its_share_of_an_ideal_mask(trained: dict[str, System], valid_items: list[Rendered]) -> None:
    item, noise = (
        valid_items[0],
        np.random.default_rng(0).normal(0, 0.1, len(valid_items[0].mixture)).astype(np.float32),
    )
    noisy = Rendered(item.mixture + noise, item.sources, noise)
    estimates = trained["ideal_mask"].separate(noisy)
    assert set(estimates) == set(item.sources)
    assert snr_db(noise, noisy.mixture - sum(estimates.values())) > 3


def test_nmf_without_its_atoms_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no atoms.safetensors: train the system first"):
        make("nmf").load(tmp_path, device="cpu")
    (tmp_path / "atoms.safetensors").write_bytes(b"\0")
    with pytest.raises(CheckpointError, match="damaged weights file"):
        make("nmf").load(tmp_path, device="cpu")


def test_source_models_check_rate_and_state(valid_items: list[Rendered]) -> None:
    with pytest.raises(ConfigError, match=r"frontend.sample_rate = 16000: the mixtures are at 8000 Hz, give that"):
        make("source_models", frontend={"sample_rate": 16000})
    with pytest.raises(ConfigError, match="this system has not been loaded: call load first"):
        make("source_models").separate(valid_items[0])

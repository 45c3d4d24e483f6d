"""The contract of systems: every entry of the table is tested by it, and nobody has to say so.

The checks are plain functions of the name of an entry, and of the settings it is to be tried with.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sepvae import audio
from sepvae.config import Config
from sepvae.corpora.records import open_corpus
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.files import hash_json
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.mixture import Rendered, render
from sepvae.mixing.protocol import make_mixtures
from sepvae.report.systems import ROLES
from sepvae.systems import SYSTEMS
from sepvae.systems.contract import Estimates, System, SystemChoice, TrainingMixtures, describe_systems
from sepvae.systems.contract import trained as left_by_training

RATE, LENGTH = 16000, 4800
STFT = {"window_ms": 16, "hop_ms": 4}
# Settings under which sepvae's own learn in a second or two; whatever has none here is tried with its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "demixing": {
        # Rounded to bfloat16, what is ten times louder is not quite the same.
        "algorithm": {
            "kind": "fastmvae2",
            "settings": {"precision": "32-true", "iterations": 4, "start_iterations": 8},
        },
        "training": {
            "frontend": {"stft": STFT, "input": {"kind": "power"}, "target": {"kind": "power"}},
            "model": {"kind": "conditional_vae", "settings": {"hidden": 8, "latent": 2, "decoder_blocks": 1}},
            "objective": {"kind": "conditional_elbo", "settings": {"hop_s": 0.004}},
            "optimiser": {"epochs": 3, "batch_size": 8, "segment_frames": 20, "learning_rate": 0.01},
        },
    },
    "enhancement": {
        "frontend": {
            "stft": STFT,
            "input": {"kind": "log_power", "floor": 1e-5},
            "target": {"kind": "power"},
        },
        "model": {"settings": {"hidden": [128], "latent": 16, "activation": "tanh", "output": "exp"}},
        "objective": {"settings": {"likelihood": "itakura_saito"}},
        "optimiser": {"epochs": 10, "batch_size": 64, "learning_rate": 1e-2},
        "enhancement": {"n_iterations": 10, "inference": {"settings": {"n_steps": 3}}},
    },
    "fastmnmf": {"n_bases": 2, "iterations": 10, "stft": STFT},
    "generative": {
        "frontend": {"stft": STFT},
        "model": {"kind": "generator", "settings": {"encoder": "dense", "latent": 32}},
        "objective": {"settings": {"likelihood": "poisson"}},
        "optimiser": {"epochs": 3, "batch_size": 64, "learning_rate": 1e-2},
        "inference": {"n_steps": 10, "n_restarts": 1},
    },
    "oracle_demixing": {"iterations": 5, "stft": STFT},
    "nmf": {"n_atoms": 8, "train_iterations": 60, "fit_iterations": 60},
    "source_models": {
        "model": {"settings": {"hidden": [32], "latent": 8}},
        "objective": {"settings": {"likelihood": "poisson", "beta": 0.01, "epsilon_std": 0.01}},
        "optimiser": {"epochs": 15, "batch_size": 32, "learning_rate": 1e-2},
    },
}
# Those whose training draws numbers.
RANDOM = ("demixing", "enhancement", "generative", "nmf", "source_models")

Settings = Mapping[str, Any]
Check = Callable[[str, Settings], None]


def speak(root: Path) -> Path:
    """Write a corpus of two speakers, who say a low hum or a high hiss that comes and goes."""
    time = np.arange(LENGTH) / RATE
    for number in range(12):
        rng = np.random.default_rng(number)
        for name in ("hum", "hiss"):
            envelope = 0.2 + np.abs(np.sin(2 * np.pi * rng.uniform(2, 6) * time + rng.uniform(0, 6)))
            pitch = rng.uniform(90, 140)
            hum, hiss = np.zeros(LENGTH), np.diff(rng.standard_normal(LENGTH + 2), 2)
            for k in range(1, 9):
                hum += np.sin(2 * np.pi * pitch * k * time)
            wave = 0.05 * envelope * (hum if name == "hum" else hiss)
            audio.write(root / name / f"{number}.wav", wave.astype(np.float32), sample_rate=RATE)
    return root


@functools.cache
def corpus() -> tuple[TrainingMixtures, list[Rendered], tempfile.TemporaryDirectory[str]]:
    """Return mixtures to learn from, test mixtures as two microphones record them, and the folder they lie in."""
    torch.set_num_threads(1)
    folder = tempfile.TemporaryDirectory(prefix="sepvae-systems-")
    root = speak(Path(folder.name) / "corpus")
    config = MixingConfig(sources=("hum", "hiss"), n_train=6, n_valid=2, n_test=2, duration_s=(0.25, 0.3))
    manifest = make_mixtures(list(open_corpus(root).utterances()), config, root=root, seed=0)
    train, valid = manifest.of_split("train"), manifest.of_split("valid")
    mixtures = TrainingMixtures(train, valid, root, seed=0, device="cpu", shared=Path(folder.name) / "shared")
    items = [recorded(render(mixture, root)) for mixture in manifest.of_split("test")]
    return mixtures, items, folder


def recorded(item: Rendered) -> Rendered:
    """Return a mixture with a second microphone, which the first source reaches later and the second earlier."""
    second = sum(0.8 * np.roll(wave, late) for wave, late in zip(item.sources.values(), (2, -2), strict=True))
    return replace(item, channels=np.stack([item.mixture, second]).astype(np.float32))


def build(kind: str, settings: Settings) -> System[Any]:
    return SystemChoice.of(kind, settings).build(sample_rate=RATE)


@functools.cache
def _ready(kind: str, key: str) -> System[Any]:
    mixtures, _, folder = corpus()
    place = Path(folder.name) / kind / key[:8]
    place.mkdir(parents=True)
    settings = _settings[key]
    build(kind, settings).train(mixtures, place)
    system = build(kind, settings)
    system.load(place, device="cpu")
    return system


_settings: dict[str, Settings] = {}


def ready(kind: str, settings: Settings) -> System[Any]:
    """Return a system that is ready to separate, from what its training has left behind."""
    key = hash_json(settings)
    _settings[key] = settings
    return _ready(kind, key)


def check_estimates_are_named_and_shaped_like_the_sources(kind: str, settings: Settings) -> None:
    for item in corpus()[1]:
        estimates = ready(kind, settings).separate(item)
        assert set(estimates) == set(item.sources)
        for estimate in estimates.values():
            assert estimate.shape == item.mixture.shape
            assert estimate.dtype == np.float32
            assert np.isfinite(estimate).all()


def check_what_is_consistent_adds_up_to_the_mixture(kind: str, settings: Settings) -> None:
    for item in corpus()[1]:
        total = sum(ready(kind, settings).separate(item).values())
        assert np.allclose(total, item.mixture, atol=1e-5) or not SYSTEMS.resolve(kind).mixture_consistent


def check_only_who_says_so_looks_at_the_references(kind: str, settings: Settings) -> None:
    system, item = ready(kind, settings), corpus()[1][0]
    false = {name: np.roll(wave, 500)[::-1].copy() for name, wave in reversed(item.sources.items())}
    true, lied = system.separate(item), system.separate(replace(item, sources=false))
    # The names of a blind system come in the order of the sources.
    lies = list(lied.values()) if system.blind else [lied[name] for name in true]
    same = all(np.array_equal(one, other) for one, other in zip(true.values(), lies, strict=True))
    assert same is ("references" not in system.needs)


def check_only_who_says_so_needs_several_channels(kind: str, settings: Settings) -> None:
    system, alone = ready(kind, settings), replace(corpus()[1][0], channels=None)
    if "channels" in system.needs:
        with pytest.raises(InputError, match=r"set mixing\.room"):
            system.separate(alone)
    else:
        assert set(system.separate(alone)) == set(alone.sources)


def check_silence_in_silence_out(kind: str, settings: Settings) -> None:
    silence = np.zeros(2000, np.float32)
    item = recorded(Rendered(silence, dict.fromkeys(corpus()[1][0].sources, silence), None))
    try:
        estimates = ready(kind, settings).separate(item)
    except InputError as error:
        # Of several channels silent ones are refused as dead.
        assert "silent" in str(error) and "channels" in ready(kind, settings).needs
    else:
        assert not any(estimate.any() for estimate in estimates.values())


def check_a_gain_carries_through(kind: str, settings: Settings) -> None:
    system, item = ready(kind, settings), corpus()[1][0]
    louder = recorded(Rendered(10 * item.mixture, {name: 10 * wave for name, wave in item.sources.items()}, None))
    soft, loud = system.separate(item), system.separate(louder)
    for name, estimate in soft.items():
        np.testing.assert_allclose(loud[name] / 10, estimate, atol=1e-4)


def check_training_follows_from_the_seed(kind: str, settings: Settings) -> None:
    estimates = ready(kind, settings).separate(corpus()[1][0])
    again = _anew(kind, settings, seed=0)
    assert all(np.array_equal(again[name], wave) for name, wave in estimates.items())


def _anew(kind: str, settings: Settings, *, seed: int) -> Estimates:
    """Train and separate, with nothing left from before."""
    mixtures, items, _ = corpus()
    with tempfile.TemporaryDirectory() as name:
        folder, system = Path(name), build(kind, settings)
        (folder / "system").mkdir()
        system.train(replace(mixtures, seed=seed, shared=folder / "shared"), folder / "system")
        system.load(folder / "system", device="cpu")
        return system.separate(items[0])


def check_what_has_not_been_trained_says_so_or_needs_none(kind: str, settings: Settings) -> None:
    system, item = build(kind, settings), corpus()[1][0]
    with tempfile.TemporaryDirectory() as folder:
        try:
            system.load(Path(folder), device="cpu")
        except CheckpointError as error:
            assert "train" in str(error) or folder in str(error)
        else:
            assert set(system.separate(item)) == set(item.sources)


def check_it_says_what_it_is(kind: str, settings: Settings) -> None:
    facts = describe_systems({"mine": SystemChoice.of(kind, settings)})["mine"]
    assert facts.role in ROLES
    assert 0 < len(facts.label) <= 60
    assert set(facts.needs) <= {"channels", "references"}
    # A ceiling is one by what it is given, and what is given that is none of ours.
    assert facts.uses_references or facts.role != "ceiling"
    assert not (facts.uses_references and facts.role in ("ours", "floor"))


def check_its_config_names_mistakes(kind: str, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=rf"system {kind}: unknown key 'masks'"):
        SystemChoice.of(kind, {**settings, "masks": 1})


CHECKS: list[Check] = [check for name, check in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", SYSTEMS)
def test_every_system_keeps_the_contract(check: Check, kind: str) -> None:
    check(kind, SMALL.get(kind, {}))


class NothingConfig(Config):
    """Nothing to set."""


class Halves(System[NothingConfig]):
    """Somebody's own: half of the mixture for each source."""

    Config = NothingConfig

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Leave something."""
        (folder / "names.txt").write_text("names")

    def load(self, folder: Path, *, device: str) -> None:
        """Look for it."""
        left_by_training(folder / "names.txt")

    def separate(self, mixture: Rendered) -> Estimates:
        """Return a half each."""
        return {name: (mixture.mixture / 2).astype(np.float32) for name in mixture.sources}


class Peeping(Halves):
    """One that looks at the references and does not say so."""

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the truth."""
        return mixture.sources


def test_what_somebody_registers_is_tested_without_another_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_entries", "_registered"):
        monkeypatch.setattr(SYSTEMS, name, dict(getattr(SYSTEMS, name)))
    SYSTEMS.register("halves", Halves)
    SYSTEMS.register("peeping", Peeping)
    failed = []
    for check in CHECKS:
        check("halves", {})
        try:
            check("peeping", {})
        except AssertionError:
            failed.append(check.__name__)
    assert failed == ["check_only_who_says_so_looks_at_the_references"]
    assert describe_systems({"mine": SystemChoice.of("halves")})["mine"] == ("mine", "ours", ())


@pytest.mark.parametrize("kind", RANDOM)
def test_another_seed_learns_something_else(kind: str) -> None:
    estimates = ready(kind, SMALL[kind]).separate(corpus()[1][0])
    assert not np.array_equal(_anew(kind, SMALL[kind], seed=1)["hum"], estimates["hum"])


def snr_db(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))


def improvement_db(kind: str) -> float:
    """Return the mean gain in SNR over the mixture."""
    gains = []
    for item in corpus()[1]:
        for name, estimate in ready(kind, SMALL.get(kind, {})).separate(item).items():
            gains.append(snr_db(item.sources[name], estimate) - snr_db(item.sources[name], item.mixture))
    return float(np.mean(gains))


def test_systems_rank_as_they_must() -> None:
    gains = {kind: improvement_db(kind) for kind in ("mixture", "nmf", "source_models", "ideal_mask")}
    assert gains["mixture"] == 0
    assert gains["ideal_mask"] > max(gains["nmf"], gains["source_models"])
    assert min(gains["nmf"], gains["source_models"]) > 5


def test_noise_keeps_its_share_of_an_ideal_mask() -> None:
    item = corpus()[1][0]
    noise = np.random.default_rng(0).normal(0, 0.1, len(item.mixture)).astype(np.float32)
    noisy = Rendered(item.mixture + noise, item.sources, noise)
    estimates = ready("ideal_mask", {"mask": "wiener"}).separate(noisy)
    assert set(estimates) == set(item.sources)
    assert snr_db(noise, noisy.mixture - sum(estimates.values())) > 3


def test_nmf_without_its_atoms_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no atoms.safetensors: train the system first"):
        build("nmf", {}).load(tmp_path, device="cpu")
    (tmp_path / "atoms.safetensors").write_bytes(b"\0")
    with pytest.raises(CheckpointError, match="damaged weights file"):
        build("nmf", {}).load(tmp_path, device="cpu")


def test_source_models_check_rate_and_state() -> None:
    with pytest.raises(ConfigError, match=r"frontend.sample_rate = 8000: the mixtures are at 16000 Hz, give that"):
        build("source_models", {"frontend": {"sample_rate": 8000}})
    with pytest.raises(ConfigError, match="this system has not been loaded: call load first"):
        build("source_models", {}).separate(corpus()[1][0])

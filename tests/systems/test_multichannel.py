"""Systems on several microphones: the model of speech that they share, true variances, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.evaluation.naming import best_order
from sepvae.files import read_json
from sepvae.mixing.mixture import Rendered
from sepvae.processes import run_side_by_side
from sepvae.systems.contract import System, SystemChoice, TrainingMixtures
from sepvae.systems.voices import read_voices
from sepvae.training.loop import TrainingData

RATE = 8000
STFT = {"window_ms": 32, "hop_ms": 8}
FEW = {"iterations": 2, "start_iterations": 4}


def make(kind: str, **settings: Any) -> System[Any]:
    return SystemChoice.of(kind, settings).build(sample_rate=RATE)


def demixing(algorithm: str, training: dict[str, Any] | None = None, **settings: Any) -> System[Any]:
    few = {"iterations": 2, "stft": STFT} if algorithm == "auxiva" else FEW
    return make("demixing", algorithm={"kind": algorithm, "settings": {**few, **settings}}, training=training)


def train_in_process(algorithm: str, training: dict[str, Any], mixtures: TrainingMixtures, folder: Path) -> None:
    demixing(algorithm, training).train(mixtures, folder)


def snr_db(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))


def improvement_db(system: System[Any], item: Rendered) -> float:
    """Return the mean gain in SNR over the mixture, in the best order."""
    estimates = list(system.separate(item).values())
    order = best_order(item.sources, dict(enumerate(estimates)))  # type: ignore[arg-type]
    gains = [
        snr_db(wave, estimates[place]) - snr_db(wave, item.mixture)
        for wave, place in zip(item.sources.values(), order, strict=True)
    ]
    return float(np.mean(gains))


@pytest.fixture
def mixtures(humming: TrainingData, tmp_path: Path) -> TrainingMixtures:
    return TrainingMixtures(humming.train, humming.valid, humming.root, 0, "cpu", tmp_path / "models")


@pytest.fixture(scope="module")
def item(voices_of: Callable[..., Any], hear: Callable[..., Any]) -> Rendered:
    waves = {name: wave.astype(np.float32) for name, wave in voices_of("a", "b").items()}
    channels = hear(waves, {"a": (1.3,), "b": (-1.1,)})
    return Rendered(channels[0], waves, None, None, channels)


def models(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def test_systems_that_train_alike_train_once(
    voice_settings: dict[str, Any], mixtures: TrainingMixtures, item: Rendered, tmp_path: Path
) -> None:
    training = {**voice_settings, "optimiser": {**voice_settings["optimiser"], "epochs": 1}}
    run = tmp_path / "run"
    mixtures = replace(mixtures, shared=run / "models")
    for algorithm in ("fastmvae2", "mvae"):
        (run / "part" / algorithm).mkdir(parents=True)
        demixing(algorithm, training).train(mixtures, run / "part" / algorithm)
    (model,) = models(mixtures.shared)
    log = (model / "log.csv").read_bytes()
    assert read_json(model / "model/config.json")["estimator"]["model"]["settings"]["classes"] == ["hiss", "hum"]
    assert read_json(run / "part/mvae/model.json") == read_json(run / "part/fastmvae2/model.json")
    found = {}
    for algorithm in ("fastmvae2", "mvae"):
        system: Any = demixing(algorithm, training)
        system.load(run / "part" / algorithm, device="cpu")
        found[algorithm] = system.separate(item)
        assert set(found[algorithm]) == {"a", "b"}
        assert system.diagnostics["objective"].shape == (3,)
        assert system.diagnostics["demixing"].shape == (129, 2, 2)
        assert set(system.diagnostics["likely"]) <= {"hiss", "hum"}
        # Measured once, of the four utterances to validate on.
        voices = read_voices(run / "part" / algorithm)
        assert voices is not None
        assert voices == read_voices(model)
        assert (voices.speakers, voices.of) == (("hiss", "hum"), 4)
    assert not np.array_equal(found["mvae"]["a"], found["fastmvae2"]["a"])
    # Another seed, or another setting of the training, is another model; of the algorithm it is not.
    demixing("fastmvae2", training, iterations=9).train(mixtures, run / "part/mvae")
    assert models(mixtures.shared) == [model]
    assert (model / "log.csv").read_bytes() == log
    demixing("fastmvae2", training).train(replace(mixtures, seed=1), run / "part/mvae")
    assert len(models(mixtures.shared)) == 2
    # The folder of a run can be moved.
    moved = run.rename(tmp_path / "moved")
    system = demixing("fastmvae2", training)
    system.load(moved / "part/fastmvae2", device="cpu")
    np.testing.assert_array_equal(system.separate(item)["a"], found["fastmvae2"]["a"])


def test_systems_side_by_side_train_once(
    voice_settings: dict[str, Any], mixtures: TrainingMixtures, tmp_path: Path
) -> None:
    training = {**voice_settings, "optimiser": {**voice_settings["optimiser"], "epochs": 2}}
    tasks = {name: (name, training, mixtures, tmp_path / name) for name in ("mvae", "fastmvae2")}
    for name in tasks:
        (tmp_path / name).mkdir()
    run_side_by_side(train_in_process, tasks, jobs=2)
    (model,) = models(mixtures.shared)
    # The header and a line for each epoch, of one training.
    assert len((model / "log.csv").read_text().splitlines()) == 3
    pointers = [read_json(tmp_path / name / "model.json") for name in tasks]
    assert pointers[0] == pointers[1]


def test_blind_algorithms_train_nothing(mixtures: TrainingMixtures, item: Rendered, tmp_path: Path) -> None:
    system = demixing("auxiva", iterations=20)
    system.train(mixtures, tmp_path)
    assert not mixtures.shared.exists()
    system.load(tmp_path, device="cpu")
    assert improvement_db(system, item) > 15
    assert read_json(tmp_path / "model.json") is None
    assert read_voices(tmp_path) is None
    assert "likely" not in system.diagnostics


def test_training_that_cannot_serve_is_refused(voice_settings: dict[str, Any], tmp_path: Path, item: Rendered) -> None:
    with pytest.raises(ConfigError, match="training: algorithm mvae has a model of speech: say how it is trained"):
        demixing("mvae")
    with pytest.raises(ConfigError, match=r"training.model.kind = dense_vae: algorithm mvae needs a conditional_vae"):
        demixing("mvae", {})
    frontend = {**voice_settings["frontend"], "sample_rate": 16000}
    with pytest.raises(ConfigError, match=r"frontend.sample_rate = 16000: the mixtures are at 8000 Hz, give that"):
        demixing("mvae", {**voice_settings, "frontend": frontend})
    with pytest.raises(CheckpointError, match=r"holds no model.json: train the system first"):
        demixing("auxiva").load(tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="call load first"):
        demixing("auxiva").separate(item)
    with pytest.raises(ConfigError, match=r"unknown key 'training.modl'"):
        demixing("mvae", {"modl": 1})


@pytest.mark.parametrize("kind", ["demixing", "fastmnmf", "oracle_demixing"])
def test_a_mixture_without_a_room_is_refused(
    kind: str, mixtures: TrainingMixtures, item: Rendered, tmp_path: Path
) -> None:
    system = demixing("auxiva") if kind == "demixing" else make(kind)
    system.train(mixtures, tmp_path)
    system.load(tmp_path, device="cpu")
    with pytest.raises(InputError, match=r"(one channel.*several|as many microphones as sources).*set mixing.room"):
        system.separate(replace(item, channels=None))


def test_true_variances_are_above_what_is_blind(item: Rendered) -> None:
    oracle, blind = make("oracle_demixing", stft=STFT, iterations=10), make("fastmnmf", stft=STFT, iterations=20)
    assert improvement_db(oracle, item) > 15
    assert improvement_db(blind, item) > 5
    estimates = oracle.separate(item)
    # It knows who is who.
    assert all(snr_db(item.sources[name], estimates[name]) > 15 for name in item.sources)
    np.testing.assert_allclose(sum(estimates.values()), item.mixture, atol=1e-5)
    swapped = replace(item, sources=dict(reversed(item.sources.items())))
    assert all(snr_db(item.sources[name], wave) > 15 for name, wave in oracle.separate(swapped).items())


def test_true_variances_need_as_many_microphones_as_sources(item: Rendered) -> None:
    assert item.channels is not None
    three = replace(item, channels=np.concatenate([item.channels, item.channels[:1]]))
    with pytest.raises(InputError, match=r"as many microphones as sources: set mixing.room.n_microphones"):
        make("oracle_demixing", stft=STFT).separate(three)


def test_fastmnmf_takes_any_number_of_sources_and_leaves_numpys_generator(item: Rendered) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]  # noqa: NPY002
    system = make("fastmnmf", stft=STFT, iterations=3)
    sources = {**item.sources, "c": item.sources["a"]}
    one, other = (system.separate(replace(item, sources=sources)) for _ in range(2))
    assert list(one) == ["a", "b", "c"]
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    seeded = make("fastmnmf", stft=STFT, iterations=3, seed=1).separate(replace(item, sources=sources))
    assert not np.array_equal(seeded["a"], one["a"])


@pytest.mark.parametrize("kind", ["fastmnmf", "oracle_demixing"])
def test_digital_silence_stays_finite(kind: str, item: Rendered) -> None:
    """Of half of the recording, of a band, and of all of it."""
    assert item.channels is not None
    system = make(kind, stft=STFT, iterations=3)
    steady = np.sin(np.arange(12000) * 2 * np.pi / 32)
    tones = np.stack([steady, np.roll(steady, 5)]).astype(np.float32)
    sources = dict(zip(item.sources, tones, strict=True))
    banded = replace(item, mixture=tones.sum(0), sources=sources, channels=np.stack([tones.sum(0), tones[0]]))
    assert all(np.isfinite(wave).all() for wave in system.separate(banded).values())
    for start in (6000, 0):
        gate = (np.arange(item.mixture.shape[0]) < start).astype(np.float32)
        sources = {name: gate * wave for name, wave in item.sources.items()}
        quiet = replace(item, mixture=gate * item.mixture, sources=sources, channels=gate * item.channels)
        estimates = system.separate(quiet)
        assert all(np.isfinite(wave).all() for wave in estimates.values())
        assert max(np.abs(wave[start + 500 :]).max() for wave in estimates.values()) < 1e-5

"""`sepvae enhance` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.config import parse_config
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.settings import merge, preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint


@pytest.fixture(scope="module")
def speech_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model as the settings for users describe it."""
    folder = tmp_path_factory.mktemp("speech")
    training = parse_config(TrainingConfig, preset("speech_prior"), where="test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder / "model", fresh_checkpoint(training, ["speech"]), provenance={"seed": 0})
    return folder / "model"


def test_a_file_becomes_speech_and_noise(program, sepvae, speech_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    wave = np.random.default_rng(1).uniform(-0.2, 0.2, (2, 22100)).astype(np.float32)
    audio.write(path, wave, sample_rate=22050)
    few = ("--set", "n_iterations=2", "--set", "n_components=2")
    done = program("enhance", path, "-m", speech_model, "-o", tmp_path / "out", "--json", "--inference", "map", *few)
    assert done.returncode == 0, done.stderr
    assert "each of the 2 channels was enhanced by itself" in done.stderr
    record = json.loads(done.stdout)
    outputs = {name: Path(output) for name, output in record["outputs"].items()}
    assert outputs == {name: tmp_path / f"out/stereo/{name}.wav" for name in ("speech", "noise")}
    info = audio.inspect(outputs["noise"])
    assert (info.sample_rate, info.n_channels, info.n_samples) == (22050, 2, 22100)
    total = sum(audio.read(output).wave for output in outputs.values())
    there_and_back = audio.resample(
        audio.resample(wave, from_rate=22050, to_rate=16000), from_rate=16000, to_rate=22050
    )
    assert np.abs(total - there_and_back[:, :22100]).max() < 1e-3
    again = sepvae("enhance", path, "-m", speech_model, "-o", tmp_path / "out", *few)
    assert again.returncode == 1
    assert "pass --overwrite to replace it" in again.stderr


def test_what_is_wrong_is_said(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    done = sepvae("enhance", recording, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "this model cannot enhance speech, it is of the sources female, male: train one on clean" in done.stderr
    done = sepvae("enhance", recording, "-m", model, "-o", tmp_path / "out", "--set", "gains=mm")
    assert done.returncode == 2
    assert "unknown key 'gains': did you mean 'gain'?" in done.stderr


@pytest.fixture(scope="module")
def noise_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of speech and noise together."""
    folder = tmp_path_factory.mktemp("noise")
    small = {"frontend": {"sample_rate": 8000}, "model": {"settings": {"hidden": 8, "latent": 4, "cepstrum": 8}}}
    training = parse_config(TrainingConfig, merge(preset("any_talkers"), small), where="test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder / "model", fresh_checkpoint(training, ["speech", "noise"]), provenance={"seed": 0})
    return folder / "model"


def test_a_model_of_speech_in_noise_does_it_at_once(sepvae, noise_model: Path, tmp_path: Path) -> None:
    path, wave = tmp_path / "noisy.wav", np.random.default_rng(1).uniform(-0.2, 0.2, (1, 9000)).astype(np.float32)
    audio.write(path, wave, sample_rate=8000)
    done = sepvae("enhance", path, "-m", noise_model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    parts = [audio.read(tmp_path / f"out/noisy/{name}.wav").wave for name in ("speech", "noise")]
    np.testing.assert_allclose(sum(parts), wave, atol=1e-6)
    for told in (("--inference", "map"), ("--set", "gain=mm")):
        done = sepvae("enhance", path, "-m", noise_model, "-o", tmp_path / "told", *told)
        assert done.returncode == 2
        assert "a model of speech in noise has nothing to set" in done.stderr


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_without_a_model_one_is_taken_that_comes_with_sepvae(sepvae, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "noisy.wav"
    audio.write(path, np.random.default_rng(1).uniform(-0.2, 0.2, 20_000).astype(np.float32), sample_rate=16_000)
    done = sepvae("enhance", path, "-o", tmp_path / "out", "--backend", backend)
    assert done.returncode == 0, done.stderr
    assert "model: noise@" in done.stderr
    assert {file.stem for file in (tmp_path / "out/noisy").iterdir()} == {"speech", "noise"}
    done = sepvae("enhance", path, "-m", "any-talkers", "-o", tmp_path / "other", "--backend", backend)
    assert done.returncode in (1, 2)
    assert "no speech: use it by 'sepvae separate'" in done.stderr or "cannot enhance speech" in done.stderr

"""Voices that are enrolled: measured, stored, and taken out of recordings under their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.separation.enrolment import CARD, VOICE, Voice, enrol, load_voice, save_voice
from sepvae.separation.kept_voices import KeptVoices
from sepvae.separation.separator import Separator
from sepvae.separation.voice_order import VoiceOrder
from sepvae.training.config import TrainingConfig, fresh_checkpoint

from .test_voice_order import RATE, exchanged, ordered, right, voice

SMALL = {
    "model": {
        "kind": "mask_vae",
        "settings": {"hidden": 4, "latent": 0, "encoder_blocks": 1, "decoder_blocks": 0, "cepstrum": 0},
    },
    "objective": {"kind": "wave_sdr", "settings": {"order": "any"}},
    "waves": {"rest": True},
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the folder of a model that has learnt nothing, of two talkers in any order and what they leave."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = fresh_checkpoint(parse_config(TrainingConfig, SMALL, where="test"), ["one", "two", "rest"])
    assert fresh.config.alike == ("one", "two")
    save_checkpoint(tmp_path / "model", fresh)
    return tmp_path / "model"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_known_voice_gets_its_name(seed: int) -> None:
    """Whoever begins, and whatever else each has said: the one who was enrolled is the one who is named."""
    anna = enrol("anna", [voice(110, 1.0, 15, 7)], sample_rate=RATE)
    ben = enrol("ben", [voice(170, 1.4, 15, 8)], sample_rate=RATE)
    one, other = voice(110, 1.0, 40, 0), voice(170, 1.4, 40, 1)
    estimates = exchanged(one, other, seed) if seed else (other, one)
    for known, wanted in ({"a": anna.features}, one), ({"a": ben.features}, other), ({"b": anna.features}, other):
        order = VoiceOrder(("a", "b"), sample_rate=RATE, known=known)
        found, _ = ordered(estimates, block_s=20, order=order)
        assert right(found, wanted, one if wanted is other else other) > 0.85


def test_a_voice_comes_back(tmp_path: Path) -> None:
    found = enrol("anna", [voice(110, 1.0, 8, 0), voice(110, 1.0, 7, 1), np.zeros(10, np.float32)], sample_rate=RATE)
    assert 5 < found.seconds < 15
    save_voice(tmp_path / "anna", found)
    loaded = load_voice(tmp_path / "anna")
    assert (loaded.name, loaded.sample_rate) == ("anna", RATE)
    np.testing.assert_allclose(loaded.features, found.features, rtol=1e-6)
    card = (tmp_path / "anna" / CARD).read_text()
    assert "biometric" in card
    assert "delete this folder" in card


def test_too_little_speech_is_refused() -> None:
    with pytest.raises(InputError, match=r"anna: 0.0 s of speech in the recordings, at least 5 s are needed"):
        enrol("anna", [np.zeros(20 * RATE, np.float32)], sample_rate=RATE)
    with pytest.raises(InputError, match="at least 5 s are needed"):
        enrol("anna", [voice(110, 1.0, 4, 0)], sample_rate=RATE)


@pytest.mark.parametrize(
    "damage", [{"features": [1.0]}, {"features": ["x"] * 39}, {"sample_rate": -1}, {"schema_version": 2}, {"more": 1}]
)
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: dict) -> None:
    save_voice(tmp_path / "anna", enrol("anna", [voice(110, 1.0, 15, 0)], sample_rate=RATE))
    stored = json.loads((tmp_path / "anna" / VOICE).read_text())
    (tmp_path / "anna" / VOICE).write_text(json.dumps({**stored, **damage}))
    with pytest.raises(InputError, match=r"(?s)anna/voice\.json: damaged: .*: enrol the voice again"):
        load_voice(tmp_path / "anna")
    with pytest.raises(InputError, match="is no folder of a voice"):
        load_voice(tmp_path)


def test_what_does_not_fit_is_said(model: Path) -> None:
    known = [Voice(name, RATE, np.zeros(39, np.float32), 10.0) for name in ("anna", "ben", "cleo")]
    separator = Separator.load(model)
    with pytest.raises(ConfigError, match="3 voices, and the model takes 2 talkers apart"):
        KeptVoices(separator, known)
    with pytest.raises(InputError, match="anna: cannot be a voice beside others"):
        KeptVoices(separator, [known[0], known[0]])
    with pytest.raises(InputError, match="was enrolled at 8000 Hz, the model works at 16000 Hz"):
        KeptVoices(separator, [Voice("anna", 8000, np.zeros(39, np.float32), 10.0)])


def test_the_program_enrols_and_keeps(program, model: Path, tmp_path: Path) -> None:
    audio.write(tmp_path / "clips/1.wav", voice(110, 1.0, 15, 0), sample_rate=RATE)
    mixture = voice(110, 1.0, 5, 1) + voice(170, 1.4, 5, 2)
    audio.write(tmp_path / "call.wav", mixture, sample_rate=RATE, subtype="float")
    done = program("enrol", tmp_path / "clips", "-o", tmp_path / "anna")
    assert done.returncode == 0, done.stderr
    assert "s of speech" in done.stdout
    assert program("enrol", tmp_path / "clips", "-o", tmp_path / "anna").returncode == 1
    assert program("enrol", tmp_path / "clips", "-o", tmp_path / "rest").returncode == 2
    kept = program("enrol", tmp_path / "clips", "-o", tmp_path / "clips", "--overwrite")
    assert kept.returncode == 2
    assert "is a folder of something else, and stays" in kept.stderr
    assert (tmp_path / "clips/1.wav").is_file()
    done = program("separate", tmp_path / "call.wav", "-m", model, "--keep", tmp_path / "anna", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    waves = {path.stem: audio.read_mono(path, RATE) for path in (tmp_path / "out/call").iterdir()}
    assert {*waves} == {"anna", "rest"}
    assert abs(sum(waves.values()) - mixture).max() < 1e-5


def test_a_model_that_knows_names_keeps_no_voices(program, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        settings = {"model": {"settings": {"hidden": [6], "latent": 2}}}
        save_checkpoint(tmp_path / "m", fresh_checkpoint(parse_config(TrainingConfig, settings, where="t"), ["f", "m"]))
    save_voice(tmp_path / "anna", enrol("anna", [voice(110, 1.0, 15, 0)], sample_rate=RATE))
    audio.write(tmp_path / "a.wav", voice(110, 1.0, 2, 0), sample_rate=RATE)
    done = program(
        "separate", tmp_path / "a.wav", "-m", tmp_path / "m", "--keep", tmp_path / "anna", "-o", tmp_path / "o"
    )
    assert done.returncode == 2
    assert "knows its talkers by name (f, m): take one of talkers in any order, such as any-talkers" in done.stderr

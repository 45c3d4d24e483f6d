"""Speakers learnt one by one, and separated together, as a user does it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main

RATE = 8000
SMALL = (
    "--set",
    "optimiser.learning_rate=0.01",
    "--set",
    f"frontend.sample_rate={RATE}",
    "--set",
    "optimiser.epochs=8",
    "--set",
    "optimiser.batch_size=32",
)


def speak(name: str, number: int) -> np.ndarray:
    """Return a second of a speaker: alice sings harmonics, bob hisses."""
    random = np.random.default_rng([number, len(name)])
    time = np.arange(RATE) / RATE
    envelope = 0.3 + np.abs(np.sin(2 * np.pi * random.uniform(1, 4) * time))
    if name == "bob":
        return (0.05 * envelope * np.diff(random.standard_normal(RATE + 2), 2)).astype(np.float32)
    pitch = random.uniform(180, 220)
    return (0.1 * envelope * sum(np.sin(2 * np.pi * pitch * k * time) for k in range(1, 6))).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two speakers, and a model of each, trained apart."""
    root = tmp_path_factory.mktemp("speakers")
    for name in ("alice", "bob"):
        for number in range(12):
            audio.write(
                root / "corpus" / name / f"{number}.wav", speak(name, number), sample_rate=RATE, subtype="pcm16"
            )
    for name in ("alice", "bob"):
        assert (
            main(["train", "-q", "--speaker", name, "--corpus", f"{root}/corpus", "-o", f"{root}/{name}", *SMALL]) == 0
        )
    return root


def test_speakers_learnt_apart_are_separated_together(models: Path) -> None:
    heard = {name: speak(name, 50) for name in ("alice", "bob")}
    audio.write(models / "talk.wav", sum(heard.values()), sample_rate=RATE)  # type: ignore[arg-type]
    command = ["separate", f"{models}/talk.wav", "-m", f"{models}/alice", "-m", f"{models}/bob", "-o", f"{models}/out"]
    assert main([*command, "-q", "-d", "cpu"]) == 0
    mixture = audio.read_mono(models / "talk.wav", RATE)
    for name, wave in heard.items():
        estimate = audio.read_mono(models / "out/talk" / f"{name}.wav", RATE)
        before, after = ((wave**2).sum() / ((wave - other) ** 2).sum() for other in (mixture, estimate))
        assert 10 * np.log10(after / before) > 6, name


def test_a_sentence_in_ten_is_validated_on(models: Path) -> None:
    provenance = json.loads((models / "alice/model/provenance.json").read_text())
    assert "valid/alice/reconstruction" in provenance["losses"]
    config = json.loads((models / "alice/model/config.json").read_text())
    assert (config["sources"], config["estimator"]["inference"]["kind"]) == (["alice"], "generative")


def test_models_fitted_in_different_ways_are_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = ["--set", "inference.n_steps=5", "--set", "optimiser.epochs=1"]
    train = ["train", "-q", "--speaker", "bob", "--corpus", f"{models}/corpus", "-o", f"{models}/other", *SMALL, *fast]
    assert main(train) == 0
    command = ["separate", f"{models}/alice", "-m", f"{models}/alice", "-m", f"{models}/other", "-o", f"{models}/no"]
    audio.write(models / "alice/talk.wav", speak("bob", 3), sample_rate=RATE)
    assert main([*command, "-q", "-d", "cpu"]) == 1
    assert "fitted to mixtures in different ways" in capsys.readouterr().err


def test_one_speaker_is_not_enough_to_separate(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio.write(models / "one.wav", speak("bob", 3), sample_rate=RATE)
    assert main(["separate", f"{models}/one.wav", "-m", f"{models}/alice", "-o", f"{models}/no", "-q"]) == 1
    assert "give the models of all who speak" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ([], "one of the arguments MANIFEST --speaker --speech is required", 2),
        (["mixtures.jsonl", "--speaker", "bob"], "argument --speaker: not allowed with argument MANIFEST", 2),
        (["--speech", "--speaker", "bob"], "argument --speaker: not allowed with argument --speech", 2),
        (["--speaker", "carol"], "no utterances of the speaker 'carol': there are alice, bob", 1),
        (["--speech", "--preset", "segment_cnn"], "unknown preset 'segment_cnn': did you mean 'segment_conv'?", 2),
    ],
)
def test_what_cannot_be_learnt_is_said(
    models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, code: int
) -> None:
    try:
        found: object = main(["train", *arguments, "--corpus", f"{models}/corpus", "-o", f"{models}/none"])
    except SystemExit as wrong_usage:
        found = wrong_usage.code
    assert found == code
    assert message in capsys.readouterr().err

"""A corpus of moved latents, killed at random points: the same bytes as without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.files import read_json

from ..speech_models import RATE, SPEAKERS, Speech, speak

METHODS = "replace,soft+gain"
RunKilled = Callable[..., Path]
Contents = Callable[[Path], dict[str, str]]


def test_a_killed_run_goes_on_to_the_same_bytes(
    speech: Speech, model: Path, tmp_path: Path, run_killed: RunKilled, contents: Contents
) -> None:
    options = ("--model", f"{model}", "--methods", METHODS)
    straight = run_killed(speech.root, tmp_path / "straight", *options)
    assert contents(run_killed(speech.root, tmp_path / "out", *options, kills=[13])) == contents(straight)


@pytest.mark.slow
def test_a_thousand_utterances_killed_three_times(
    model: Path, tmp_path: Path, run_killed: RunKilled, contents: Contents
) -> None:
    for number in range(1000):
        speaker = [*SPEAKERS][number % 4]
        wave = speak(speaker, number, seconds=0.3)
        audio.write(tmp_path / f"c/{speaker}/{number:04}.wav", wave, sample_rate=RATE, subtype="pcm16")
    options = ("--model", f"{model}", "--methods", METHODS)
    straight = run_killed(tmp_path / "c", tmp_path / "straight", *options)
    assert read_json(straight / "augmented.json")["n_records"] == 2000
    kills = sorted(int(n) for n in np.random.default_rng(6).integers(1, 2000, 3))
    out = run_killed(tmp_path / "c", tmp_path / "out", *options, "--jobs", "2", kills=kills)
    assert contents(out) == contents(straight)

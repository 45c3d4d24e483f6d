"""Runs that are killed at any point: gone on with to the same bytes as a run that nothing disturbed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio

METHODS = ("--copies", "2", "--methods", "reverberation,speed,speed+gain+reverberation")
RunKilled = Callable[..., Path]
Contents = Callable[[Path], dict[str, str]]


@pytest.mark.parametrize(("workers", "kills"), [(1, (20,)), pytest.param(2, (1, 20, 45), marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bytes(
    corpus: Path, tmp_path: Path, run_killed: RunKilled, contents: Contents, workers: int, kills: tuple[int, ...]
) -> None:
    straight = run_killed(corpus, tmp_path / "straight", *METHODS)
    out = run_killed(corpus, tmp_path / "out", *METHODS, "--jobs", f"{workers}", kills=kills)
    assert contents(out) == contents(straight)


@pytest.mark.slow
def test_a_thousand_utterances_killed_three_times(tmp_path: Path, run_killed: RunKilled, contents: Contents) -> None:
    tone = (0.2 * np.sin(np.arange(4000) / 7)).astype(np.float32)
    for number in range(1000):
        audio.write(tmp_path / f"c/s{number % 10}/{number:04}.wav", tone, sample_rate=16000, subtype="pcm16")
    straight = run_killed(tmp_path / "c", tmp_path / "straight", *METHODS)
    kills = sorted(int(n) for n in np.random.default_rng(5).integers(1, 6000, 3))
    out = run_killed(tmp_path / "c", tmp_path / "out", *METHODS, "--jobs", "2", kills=kills)
    assert contents(out) == contents(straight)

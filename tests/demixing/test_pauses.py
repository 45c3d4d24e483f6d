"""Pauses and tones around the talk do not decide what is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sepvae.demixing.pauses import speaking
from sepvae.errors import InputError

from .test_demixer import BLIND, TWO, best_snr_db, make

RATE = 8000


def noise(n_samples: int, level: float) -> Any:
    return level * np.random.default_rng(5).standard_normal((2, n_samples))


def tone(n_samples: int) -> Any:
    return np.outer((1.0, 0.8), 0.5 * np.sin(2 * np.pi * 1000 * np.arange(n_samples) / RATE))


PAUSES: dict[str, Callable[[int], Any]] = {
    "silence": lambda n_samples: np.zeros((2, n_samples)),
    "a quiet room": lambda n_samples: noise(n_samples, 1e-5),
    "a tone": tone,
}


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("algorithm", BLIND)
def test_a_pause_longer_than_the_talk_costs_little(
    algorithm: str, pause: str, voices_of: Any, hear: Any, voice_model: Path
) -> None:
    waves = voices_of("a", "b", n_samples=24000)
    heard = hear(waves, TWO)
    n_samples = heard.shape[1]
    demixer = make(algorithm, voice_model, iterations=20)
    # Between the two lies a gap, so that the window of no frame holds both.
    around = np.concatenate([heard, np.zeros((2, 400)), PAUSES[pause](3 * n_samples)], axis=1)
    plain, longer = (list(demixer.separate(wave, RATE).waves.values()) for wave in (heard, around))
    scores = [best_snr_db(list(waves.values()), [wave[:n_samples] for wave in found]) for found in (plain, longer)]
    assert scores[1] > scores[0] - 0.5
    np.testing.assert_allclose(sum(longer), around[0], atol=1e-6)


def test_a_quiet_end_of_a_call_is_no_pause() -> None:
    """Who speaks 50 dB below the other, at a microphone of their own and while the other is silent, is heard."""
    spectrum = torch.zeros(65, 2, 80, dtype=torch.complex128)
    noise = torch.randn(65, 40, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    spectrum[:, 0, :40], spectrum[:, 1, 40:70] = noise, 10 ** (-50 / 20) * noise[:, :30]
    assert speaking(spectrum, hop_ms=16).tolist() == [frame < 70 for frame in range(80)]


def test_frames_that_are_needed_for_the_past_are_kept() -> None:
    spectrum = torch.zeros(65, 2, 40, dtype=torch.complex128)
    spectrum[:, :, 20:30] = torch.randn(65, 2, 10, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    for past in (0, 3, 50):
        expected = [max(0, 20 - past) <= frame < 30 for frame in range(40)]
        assert speaking(spectrum, hop_ms=16, past=past).tolist() == expected


def test_of_tones_alone_all_is_heard() -> None:
    spectrum = torch.zeros(9, 2, 10, dtype=torch.complex128)
    spectrum[4] = 1
    assert speaking(spectrum, hop_ms=16).all()


@pytest.mark.parametrize("algorithm", BLIND)
def test_too_little_talk_in_a_long_recording_is_said(
    algorithm: str, voices_of: Any, hear: Any, voice_model: Path
) -> None:
    heard = np.pad(hear(voices_of("a", "b"), TWO)[:, :500], ((0, 0), (0, 40_000)))
    with pytest.raises(InputError, match=r"has \d+ frames beside \d{3} of pauses or tones, .* too few to tell"):
        make(algorithm, voice_model).separate(heard, RATE)

"""The filter of what lies below speech: its response, its ends, and its silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.frontend.rumble import rumble, support_samples


def heard(wave: torch.Tensor, rate: int) -> torch.Tensor:
    return wave - rumble(wave, sample_rate=rate)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("hz", "low_db", "high_db"), [(30, -200, -45), (45, -200, -40), (85, -0.5, 0.5), (150, -0.1, 0.1)]
)
def test_hum_goes_and_voices_stay(rate: int, hz: float, low_db: float, high_db: float) -> None:
    time = torch.arange(2 * rate, dtype=torch.float64) / rate
    wave = torch.sin(2 * torch.pi * hz * time)
    middle = slice(rate // 2, -rate // 2)
    gain = 20 * np.log10(float(heard(wave, rate)[middle].std() / wave[middle].std()))
    assert low_db < gain < high_db


@given(n_samples=st.integers(1, 6000), offset=st.floats(-1, 1), rate=st.sampled_from([8000, 16000]))
@settings(max_examples=60, deadline=None)
def test_an_offset_is_found_whole_to_the_very_ends(n_samples: int, offset: float, rate: int) -> None:
    wave = 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(n_samples))
    torch.testing.assert_close(heard(wave + offset, rate), heard(wave, rate), atol=2e-6, rtol=0)


def test_silence_stays_silence() -> None:
    wave = torch.zeros(3, 30000)
    wave[0, 10000:12000] = 1.0
    found, reach = rumble(wave, sample_rate=16000), support_samples(16000)
    assert float(found[1:].abs().max()) == 0
    assert float(found[0, : 10000 - reach].abs().max()) == 0
    assert float(found[0, 12000 + reach :].abs().max()) == 0
    assert float(found[0, 10000 - reach + 10 : 12000 + reach - 10].abs().min()) > 0
    assert rumble(wave[:, :0], sample_rate=16000).shape == (3, 0)


def test_a_part_with_what_lies_around_it_is_that_of_the_whole() -> None:
    wave = torch.randn(2, 40000, generator=torch.Generator().manual_seed(0))
    reach = support_samples(16000)
    part = rumble(wave[:, 10000 - reach : 20000 + reach], sample_rate=16000)[:, reach:-reach]
    torch.testing.assert_close(part, rumble(wave, sample_rate=16000)[:, 10000:20000], atol=1e-6, rtol=0)

"""The STFT is undone exactly, agrees with librosa, and its frames lie on one fixed grid."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.errors import ConfigError, InputError
from sepvae.frontend.stft import Stft, StftConfig, make_window

# The pairs of the survey's figure 21, in milliseconds.
PAIRS = [(64, 16), (64, 32), (32, 8), (32, 16), (16, 8), (16, 4), (8, 4), (8, 2)]
WINDOWS = ["hann", "hamming", "sine"]
RATES = [8000, 16000]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def make(pair: tuple[float, float] = (16, 8), *, rate: int = 16000, window: str = "hann") -> Stft:
    return Stft(StftConfig(window_ms=pair[0], hop_ms=pair[1], window=window), sample_rate=rate)  # type: ignore[arg-type]


def round_trip_error(stft: Stft, wave: torch.Tensor) -> float:
    back = stft.synthesise(stft.analyse(wave), n_samples=wave.shape[-1])
    assert back.shape == wave.shape
    assert back.dtype == wave.dtype
    return float((back - wave).abs().max()) if wave.numel() else 0.0


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("window", WINDOWS)
def test_round_trip_is_exact_around_every_edge(rate: int, pair: tuple[int, int], window: str) -> None:
    stft = make(pair, rate=rate, window=window)
    size, hop = stft.window_samples, stft.hop_samples
    edges = {0, 1, 2, hop, size - hop, size, 2 * size, 3 * size}
    for length in sorted(near for edge in edges for near in (edge - 1, edge, edge + 1) if near >= 0):
        wave = noise(2, length).clamp(-1, 1)
        assert round_trip_error(stft, wave) < 1e-6, length


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("pair", [(8, 2), (8, 4)])
def test_round_trip_is_exact_for_every_length(pair: tuple[int, int], window: str) -> None:
    stft = make(pair, rate=8000, window=window)
    wave = noise(3 * stft.window_samples).clamp(-1, 1)
    for length in range(len(wave) + 1):
        assert round_trip_error(stft, wave[:length]) < 1e-6, length


@given(
    size=st.integers(2, 200),
    share=st.floats(0.01, 0.5),
    windows=st.floats(0, 3),
    window=st.sampled_from(WINDOWS),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_round_trip_of_any_window_and_hop(size: int, share: float, windows: float, window: str, seed: int) -> None:
    hop = max(1, int(size * share))
    stft = make((size, hop), rate=1000, window=window)
    assert (stft.window_samples, stft.hop_samples) == (size, hop)
    wave = noise(int(windows * size), seed=seed, dtype=torch.float64).clamp(-1, 1)
    assert round_trip_error(stft, wave) < 1e-11


@pytest.mark.parametrize("rate", [11025, 22050, 44100, 48000])
def test_round_trip_at_rates_that_milliseconds_do_not_divide(rate: int) -> None:
    stft = make((23.2, 5.8), rate=rate)
    assert round_trip_error(stft, noise(1, 2, 3001).clamp(-1, 1)) < 1e-6


def test_float64_stays_float64_and_loses_nothing() -> None:
    stft = make()
    wave = noise(1000, dtype=torch.float64)
    assert stft.analyse(wave).dtype == torch.complex128
    assert round_trip_error(stft, wave) < 1e-12


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("window", WINDOWS)
def test_interior_frames_are_librosas(rate: int, pair: tuple[int, int], window: str) -> None:
    stft = make(pair, rate=rate, window=window)
    size, hop = stft.window_samples, stft.hop_samples
    wave = noise(5 * size + 3, dtype=torch.float64)
    ours = stft.analyse(wave)
    # librosa's frame j starts at sample j·hop: ours of that start is (size - hop) / hop frames later.
    assert (size - hop) % hop == 0
    window_values = make_window(window, size).numpy()
    theirs = librosa.stft(wave.numpy(), n_fft=size, hop_length=hop, window=window_values, center=False).T
    first = (size - hop) // hop
    np.testing.assert_allclose(ours[first : first + len(theirs)].numpy(), theirs, atol=1e-10)


def test_windows_are_scipys() -> None:
    from scipy.signal import get_window

    for size in (2, 7, 128, 256):
        np.testing.assert_allclose(make_window("hann", size).numpy(), get_window("hann", size), atol=1e-15)
        np.testing.assert_allclose(make_window("hamming", size).numpy(), get_window("hamming", size), atol=1e-15)
        np.testing.assert_allclose(make_window("sine", size).numpy() ** 2, get_window("hann", size), atol=1e-15)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3), length=st.integers(1, 900))
@settings(max_examples=40, deadline=None)
def test_analysis_is_linear(a: float, b: float, length: int) -> None:
    stft = make()
    x, y = noise(length, seed=1, dtype=torch.float64), noise(length, seed=2, dtype=torch.float64)
    together = stft.analyse(a * x + b * y)
    torch.testing.assert_close(together, a * stft.analyse(x) + b * stft.analyse(y), atol=1e-10, rtol=0)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_shift_by_hops_shifts_the_frames(pair: tuple[int, int]) -> None:
    stft = make(pair)
    wave = noise(1000)
    shifted = torch.cat([torch.zeros(3 * stft.hop_samples), wave])
    torch.testing.assert_close(stft.analyse(shifted)[3:], stft.analyse(wave), atol=0, rtol=0)
    assert float(stft.analyse(shifted)[:3].abs().max()) == 0


@pytest.mark.parametrize("pair", [*PAIRS, (15, 4)])
def test_a_cut_at_the_grid_keeps_the_frames_inside(pair: tuple[float, float]) -> None:
    stft = make(pair)
    hop, size = stft.hop_samples, stft.window_samples
    wave = noise(20 * size)
    whole, cut = stft.analyse(wave), stft.analyse(wave[5 * hop : 5 * hop + 8 * size])
    # Frame k of the cut covers whole samples only from (size - hop) / hop on, and until the cut's end.
    first, last = -(-(size - hop) // hop), (8 * size) // hop
    torch.testing.assert_close(cut[first:last], whole[5 + first : 5 + last], atol=0, rtol=0)


def test_every_sample_lies_in_as_many_frames_as_any_other() -> None:
    stft = make((16, 4))
    for length in (1, 5, 300, 1000):
        touched = torch.zeros(length)
        for position in range(length):
            impulse = torch.zeros(length)
            impulse[position] = 1
            touched[position] = (stft.analyse(impulse).abs().sum(-1) > 1e-6).sum()
        # The window's first value is 0, so one sample in `hop` is seen by one frame less.
        assert set(touched.tolist()) <= {3.0, 4.0}


def test_numbers_of_frames_and_bins_are_what_analysis_gives() -> None:
    for pair in PAIRS:
        stft = make(pair, rate=8000)
        for length in (0, 1, stft.hop_samples, stft.window_samples, 1001):
            assert stft.analyse(noise(length)).shape == (stft.n_frames(length), stft.n_bins)


def test_batches_are_their_items() -> None:
    stft = make()
    wave = noise(2, 3, 777)
    together = stft.analyse(wave)
    for batch in range(2):
        for channel in range(3):
            torch.testing.assert_close(together[batch, channel], stft.analyse(wave[batch, channel]), atol=0, rtol=0)
    back = stft.synthesise(together, n_samples=777)
    torch.testing.assert_close(back[1, 2], stft.synthesise(together[1, 2], n_samples=777), atol=0, rtol=0)


def test_gradients_pass_through() -> None:
    stft = make((4, 2), rate=8000)
    wave = noise(50, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: stft.synthesise(stft.analyse(x), n_samples=50), wave)


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"window_ms": 16, "hop_ms": 16}, "cannot be undone.*give hop_ms ≤ window_ms / 2"),
        ({"window_ms": 16, "hop_ms": 20}, "samples between windows would be lost"),
        ({"window_ms": 0.05, "hop_ms": 0.05}, "too short"),
        ({"window_ms": 16, "hop_ms": 0.01}, "too short"),
    ],
)
def test_impossible_settings_are_named(settings_: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Stft(StftConfig(**settings_), sample_rate=16000)  # type: ignore[arg-type]


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_that_do_not_overlap_are_refused(window: str) -> None:
    with pytest.raises(ConfigError, match=f"a {window} window cannot be undone"):
        make((16, 16), window=window)


def test_wrong_inputs_are_named() -> None:
    stft = make()
    with pytest.raises(InputError, match=r"STFT of a torch.int16 tensor: give real floating-point samples"):
        stft.analyse(torch.zeros(10, dtype=torch.int16))
    with pytest.raises(InputError, match=r"spectrum has \(frames, bins\) = \(3, 129\), expected \(9, 129\)"):
        stft.synthesise(torch.zeros((3, 129), dtype=torch.complex64), n_samples=900)

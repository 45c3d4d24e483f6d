"""Channels that cannot be demixed are refused by name; of too many, the principal components are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing.auxiva import AuxIvaVariances
from sepvae.demixing.channels import check_channels, check_found, check_frames, reduce_channels
from sepvae.demixing.demixer import Demixer
from sepvae.demixing.loop import demix, identity
from sepvae.errors import InputError

Gaussian = Callable[..., Tensor]
RATE = 16000


def waves(n_channels: int, n_samples: int = 4000, *, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(n_channels, n_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n_channels", "n_sources"), [(2, 2), (3, 2), (4, 4)])
def test_good_channels_pass(n_channels: int, n_sources: int) -> None:
    check_channels(waves(n_channels), sample_rate=RATE, n_sources=n_sources, underdetermined=False)


@pytest.mark.parametrize("underdetermined", [False, True])
def test_one_channel_is_refused(underdetermined: bool) -> None:
    with pytest.raises(InputError, match="one channel, and demixing needs several microphones: use 'sepvae separate'"):
        check_channels(waves(1), sample_rate=RATE, n_sources=2, underdetermined=underdetermined)


def test_fewer_channels_than_talkers_need_another_algorithm() -> None:
    with pytest.raises(InputError, match=r"has 2 channels and 3 talkers.*use the algorithm gmvae"):
        check_channels(waves(2), sample_rate=RATE, n_sources=3, underdetermined=False)
    check_channels(waves(2), sample_rate=RATE, n_sources=3, underdetermined=True)


def test_a_dead_microphone_is_named() -> None:
    wave = waves(4)
    wave[[1, 3]] = 0
    with pytest.raises(
        InputError, match=r"channel 1, 3 of the recording is silent or constant: a dead microphone\? Leave it out"
    ):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)
    with pytest.raises(InputError, match=r"channel 4, 0 of the recording is silent"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False, numbers=[6, 4, 2, 0])


def test_one_recording_twice_is_refused() -> None:
    wave = waves(3)
    wave[2] = wave[0] + 1e-6 * wave[1]
    with pytest.raises(InputError, match="channels 0 and 2 of the recording are identical: nothing tells where"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


@given(
    gain=st.floats(0.003, 30),
    polarity=st.sampled_from([1, -1]),
    offset=st.floats(-0.1, 0.1),
    delay=st.integers(-300, 300),
    bits=st.sampled_from([None, 16, 24]),
)
@settings(max_examples=40, deadline=None)
def test_one_recording_twice_is_refused_whatever_was_done_to_it(
    gain: float, polarity: int, offset: float, delay: int, bits: int | None
) -> None:
    wave = waves(3) * min(1.0, 1 / gain)
    wave[2] = polarity * gain * wave[0].roll(delay) + offset
    if delay > 0:
        wave[2, :delay] = offset
    elif delay < 0:
        wave[2, delay:] = offset
    if bits:
        wave = (wave * 2 ** (bits - 1)).round() / 2 ** (bits - 1)
    if bits == 16 and gain * 0.1 * min(1.0, 1 / gain) < 0.002:
        return
    with pytest.raises(InputError, match="channels 0 and 2 of the recording are identical"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


@pytest.mark.parametrize("delay", [-4000, 0, 4000])
def test_one_recording_twice_is_found_where_another_is_louder(delay: int) -> None:
    """Each channel is looked at where it is loudest itself: the first is silent where both others are heard."""
    wave = torch.zeros(3, 1 << 20)
    random = torch.Generator().manual_seed(0)
    wave[0, : 1 << 19] = 0.5 * torch.randn(1 << 19, generator=random)
    wave[1, (1 << 19) + 5000 : -5000] = 0.01 * torch.randn((1 << 19) - 10_000, generator=random)
    wave[2] = 0.5 * wave[1].roll(delay)
    with pytest.raises(InputError, match=r"channels 1 and 2 of the recording are identical but for a gain of -6\.0 dB"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_each_channel_is_transformed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = list[int]()
    rfft = torch.fft.rfft
    monkeypatch.setattr(torch.fft, "rfft", lambda *given: (transforms.append(1), rfft(*given))[1])
    check_channels(waves(8), sample_rate=RATE, n_sources=2, underdetermined=False)
    # And all of them once more together, for what is above the mains.
    assert len(transforms) == 8 + 1


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_one_recording_twice_is_refused_of_few_values_too(steps: int) -> None:
    wave = waves(2)
    quiet = steps * 2**-15 * wave[0] / wave[0].std()
    wave = torch.stack([quiet, 30 * quiet]).mul(2**15).round() / 2**15
    with pytest.raises(InputError, match="channels 0 and 1 of the recording are identical but for a gain"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_how_a_recording_comes_twice_is_said() -> None:
    wave = waves(2)
    wave[1] = -0.5 * wave[0].roll(7)
    wave[1, :7] = 0
    with pytest.raises(
        InputError, match=r"but for a gain of -6.0 dB and the polarity and a delay of 7 samples: nothing"
    ):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


@pytest.mark.parametrize("level_db", [-40.5, -60, -90])
def test_a_channel_that_is_not_plugged_in_is_named(level_db: float) -> None:
    wave = waves(3)
    wave[2] = 0.5 * wave[0] + 0.5 * wave[1]
    wave[1] = 10 ** (level_db / 20) * waves(1, seed=5)[0]
    with pytest.raises(InputError, match=r"channel 1 of the recording lies \d+ dB below channel [02] .* plugged in\?"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_a_channel_that_hears_nothing_but_the_mains_is_named() -> None:
    wave = waves(2)
    wave[1] = 0.05 * torch.sin(2 * torch.pi * 50 * torch.arange(4000) / RATE)
    with pytest.raises(InputError, match=r"channel 1 of the recording lies \d+ dB below channel 0 .* plugged in\?"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_a_channel_that_hears_the_mains_like_all_others_and_nothing_else_is_named() -> None:
    """With the hum of both in it, the second would have much in common with the first."""
    hum = 0.05 * torch.sin(2 * torch.pi * 50 * torch.arange(16000) / RATE)
    wave = torch.stack([waves(2, 16000)[0] + hum, hum])
    with pytest.raises(InputError, match=r"channel 1 of the recording lies \d+ dB below channel 0 .* plugged in\?"):
        Demixer("auxiva", sample_rate=RATE).separate(wave, RATE)


def test_one_microphone_at_two_preamplifiers_is_refused() -> None:
    wave = waves(2)
    wave[1] = 0.8 * wave[0] + 0.002 * waves(1, seed=7)[0]
    with pytest.raises(InputError, match=r"channels 0 and 1 of the recording are identical but for a gain of -1\.9 dB"):
        check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_a_far_microphone_that_hears_the_same_passes() -> None:
    wave = waves(2)
    wave[1] = 0.003 * wave[0].roll(40) + 0.001 * wave[1]
    check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_two_ends_of_a_call_pass() -> None:
    """Channels without anything in common are talkers who are apart already."""
    wave = waves(2)
    wave[1] *= 0.05
    check_channels(wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_a_silent_talker_is_no_talker() -> None:
    wave = waves(2)
    check_found({"a": wave[0], "b": 0.002 * wave[1]}, wave)
    with pytest.raises(InputError, match=r"b would be silent: .* --talkers \(from Python: n_sources=\), fewer than 2"):
        check_found({"a": wave[0], "b": 0.0005 * wave[1]}, wave)


@given(level_db=st.integers(-90, 0))
def test_microphones_close_together_pass_at_any_level(level_db: int) -> None:
    wave = waves(2)
    wave[1] = wave[0] + 0.01 * wave[1]
    check_channels(10 ** (level_db / 20) * wave, sample_rate=RATE, n_sources=2, underdetermined=False)


def test_a_recording_needs_frames() -> None:
    check_frames(16, 2)
    with pytest.raises(InputError, match="has 15 frames, too few to tell 2 channels apart: give one with more speech"):
        check_frames(15, 2)


def test_as_many_channels_as_talkers_stay_as_they_are(gaussian: Gaussian) -> None:
    spectrum = gaussian(2, 3, 4, 20)
    reduced, basis = reduce_channels(spectrum, 4)
    assert torch.equal(reduced, spectrum)
    assert torch.equal(basis @ reduced, spectrum)


@given(n_channels=st.integers(3, 6), n_kept=st.integers(1, 2), seed=st.integers(0, 99))
def test_components_are_those_of_the_largest_singular_values(
    gaussian: Gaussian, n_channels: int, n_kept: int, seed: int
) -> None:
    spectrum = gaussian(2, 3, n_channels, 20, seed=seed)
    reduced, basis = reduce_channels(spectrum, n_kept)
    assert reduced.shape == (2, 3, n_kept, 20)
    eye = torch.eye(n_kept, dtype=basis.dtype).expand(2, 3, n_kept, n_kept)
    torch.testing.assert_close(basis.mH @ basis, eye, rtol=0, atol=1e-12)
    u, values, v = np.linalg.svd(spectrum.numpy(), full_matrices=False)
    best = (u[..., :n_kept] * values[..., None, :n_kept]) @ v[..., :n_kept, :]
    np.testing.assert_allclose((basis @ reduced).numpy(), best, atol=1e-10)


def test_more_microphones_than_talkers_lose_nothing_of_them(talkers: Any) -> None:
    spectrum = talkers(n_sources=2, n_channels=5).spectrum
    reduced, basis = reduce_channels(spectrum, 2)
    torch.testing.assert_close(basis @ reduced, spectrum, rtol=0, atol=1e-9)


def test_the_order_of_spare_microphones_is_rounding(talkers: Any, gaussian: Gaussian) -> None:
    """Images of AuxIVA at the first microphone, of two talkers at four."""
    spectrum = talkers(n_sources=2, n_channels=4).spectrum
    spectrum = spectrum + 0.01 * gaussian(*spectrum.shape, seed=9)

    def images(heard: Tensor) -> Tensor:
        reduced, basis = reduce_channels(heard, 2)
        found = demix(reduced, AuxIvaVariances("laplace"), n_iterations=10, demixing=identity(reduced, n_sources=2))
        steering: Tensor = basis[:, :, :1] @ torch.linalg.inv(found.demixing)
        return steering[:, :, 0, :, None] * found.separated

    one, other = images(spectrum), images(spectrum[:, :, [0, 3, 1, 2]])
    torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)
    # What two components keep of the microphone: the talkers, and a part of the noise.
    left = (one.sum(2) - spectrum[:, :, 0]).abs().square().mean() / spectrum[:, :, 0].abs().square().mean()
    assert left < 1e-3

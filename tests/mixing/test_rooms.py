"""Impulse responses: the image method against its closed form, decays, determinism; and measured ones."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sepvae import audio
from sepvae.errors import InputError, MissingExtra
from sepvae.files import hash_file
from sepvae.mixing import rooms
from sepvae.mixing.places import Rooms
from sepvae.mixing.rooms import images_of, impulse_responses
from sepvae.mixing.scene import SPEED_OF_SOUND_M_S, RoomConfig, Scene
from sepvae.seeds import generator

pyroomacoustics = pytest.importorskip("pyroomacoustics")
RATE = 16000
# Of the filter that places an image between two samples.
DELAY = 40


def make_scene(**changes: Any) -> Scene:
    facts: dict[str, Any] = {
        "kind": "simulated",
        "n_microphones": 2,
        "azimuths_deg": (0.0, 40.0),
        "size_m": (4.0, 3.5, 2.6),
        "absorption": 0.5,
        "max_order": 1,
        "microphones_m": ((2.0, 1.2, 1.3), (2.05, 1.21, 1.3)),
        "sources_m": ((2.3, 2.5, 1.4), (1.1, 1.9, 1.2)),
    }
    return Scene(**{**facts, **changes})


def image_spectrum(scene: Scene, source: int, microphone: int, hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the sum over all images of 1/distance, delay and reflections (Allen & Berkley 1979)."""
    assert scene.size_m and scene.absorption is not None and scene.max_order is not None
    reflection, order = np.sqrt(1 - scene.absorption), scene.max_order
    place, ear = np.array(scene.sources_m[source]), np.array(scene.microphones_m[microphone])
    axes = []
    for axis, side in enumerate(scene.size_m):
        # Unfolded along one axis, image n lies n rooms away and is mirrored when n is odd.
        images = [n * side + (place[axis] if n % 2 == 0 else side - place[axis]) for n in range(-order, order + 1)]
        axes.append([(abs(n), x - ear[axis]) for n, x in zip(range(-order, order + 1), images, strict=True)])
    total = np.zeros(len(hz), np.complex128)
    for x, y, z in product(*axes):
        bounces, distance = x[0] + y[0] + z[0], np.sqrt(x[1] ** 2 + y[1] ** 2 + z[1] ** 2)
        if bounces <= order:
            delay = distance / SPEED_OF_SOUND_M_S + DELAY / RATE
            total += reflection**bounces / distance * np.exp(-2j * np.pi * hz * delay)
    # A second-order Butterworth high-pass at 20 Hz, through the bilinear transform.
    ratio = np.tan(np.pi * 20 / RATE) / (1j * np.tan(np.pi * hz / RATE))
    return total / (1 + np.sqrt(2) * ratio + ratio**2)


@pytest.mark.parametrize("max_order", [0, 1, 5])
def test_the_images_are_where_the_closed_form_has_them(max_order: int) -> None:
    scene = make_scene(max_order=max_order)
    responses = impulse_responses(scene, sample_rate=RATE)
    hz = np.linspace(20, 6000, 300)
    for (source, response), microphone in product(enumerate(responses), range(2)):
        taps = response[microphone].astype(np.float64)
        found = np.exp(-2j * np.pi * np.outer(hz, np.arange(len(taps))) / RATE) @ taps
        expected = image_spectrum(scene, source, microphone, hz)
        # The filters of 81 taps with a table of 20 places a sample are good to a few thousandths of the direct path.
        assert np.abs(found - expected).max() < 6e-3 * np.abs(expected).max()


def decay_time(taps: NDArray[np.float32], *, to_db: float) -> float:
    """Return the time (s) in which sound decays by 60 dB, from that between −5 dB and `to_db` (Schroeder 1965)."""
    energy = np.cumsum(np.square(taps[::-1], dtype=np.float64))[::-1]
    first, last = (int(np.argmax(energy < 10 ** (level / 10) * energy[0])) for level in (-5, to_db))
    return 60 / (-5 - to_db) * (last - first) / RATE


@pytest.mark.parametrize("asked_s", [0.15, 0.3, 0.5])
def test_rooms_reverberate_as_long_as_asked_for(asked_s: float) -> None:
    measured = []
    for seed in range(3):
        scene = Rooms(RoomConfig(rt60_s=(asked_s, asked_s))).draw(1, generator(seed, "room"))
        (response,) = impulse_responses(scene, sample_rate=RATE)
        measured += [decay_time(taps, to_db=-65) for taps in response]
    # Sabine's formula holds of a diffuse field with little absorption. In a dry room sound decays faster at first; and
    # between flat walls that absorb alike what grazes the closer pairs decays last, the more so the harder they are.
    assert 0.8 * asked_s < np.mean(measured) < 1.25 * asked_s
    # No response is cut before it has decayed.
    assert len(response[0]) > asked_s * RATE


def as_bytes(responses: list[NDArray[np.float32]]) -> list[bytes]:
    return [response.tobytes() for response in responses]


def test_no_global_state_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyroomacoustics.parameters import constants

    scene = make_scene(max_order=12)
    before = as_bytes(impulse_responses(scene, sample_rate=RATE))
    others = {"num_threads": 3, "c": 300.0, "frac_delay_length": 31, "rir_hpf_enable": True}
    saved = {name: constants.get(name) for name in others}
    try:
        for name, value in others.items():
            constants.set(name, value)
        pyroomacoustics.random.seed(7)
        np.random.seed(3)  # noqa: NPY002 (it is the global state that must not matter)
        rooms._simulated.cache_clear()
        again = impulse_responses(scene, sample_rate=RATE)
        assert {name: constants.get(name) for name in others} == others
    finally:
        for name, value in saved.items():
            constants.set(name, value)
    assert as_bytes(again) == before
    # In any order, the reflections of one source do not depend on the others.
    swapped = make_scene(max_order=12, sources_m=scene.sources_m[::-1])
    assert as_bytes(impulse_responses(swapped, sample_rate=RATE)) == before[::-1]


def test_responses_are_made_once_whatever_the_gains() -> None:
    rooms._simulated.cache_clear()
    one = impulse_responses(make_scene(), sample_rate=RATE)
    two = impulse_responses(make_scene(gains=(0.5, 2.0)), sample_rate=RATE)
    assert all(first is second for first, second in zip(one, two, strict=True))
    assert impulse_responses(make_scene(), sample_rate=8000)[0].shape[1] < one[0].shape[1]
    with pytest.raises(ValueError, match="read-only"):
        one[0][0, 0] = 1


def test_without_the_simulator_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms._simulated.cache_clear()
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(MissingExtra, match=r"simulation of rooms needs the optional extra 'rooms'.*sepvae\[rooms\]"):
        impulse_responses(make_scene(), sample_rate=RATE)


@given(delays=st.lists(st.integers(0, 40), min_size=1, max_size=3), gain=st.floats(0.1, 3.0), seed=st.integers(0, 99))
def test_an_image_is_the_sound_delayed_and_cut(delays: list[int], gain: float, seed: int) -> None:
    wave = np.random.default_rng(seed).standard_normal(30).astype(np.float32)
    response = np.zeros((len(delays), 50), np.float32)
    response[np.arange(len(delays)), delays] = 1
    images = images_of(wave, response, gain)
    assert images.shape == (len(delays), 30) and images.dtype == np.float32
    for image, delay in zip(images, delays, strict=True):
        expected = np.concatenate([np.zeros(delay), gain * wave])[:30]
        np.testing.assert_allclose(image, expected, rtol=2e-7, atol=1e-14)


def measured(folder: Path, *names: str, n_microphones: int = 2) -> Scene:
    return Scene(
        kind="measured",
        n_microphones=n_microphones,
        azimuths_deg=(None,) * len(names),
        folder=str(folder),
        files=names,
        sha256=tuple(hash_file(folder / name) for name in names),
    )


def test_measured_responses_are_those_of_the_files(tmp_path: Path) -> None:
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 2, 300)).astype(np.float32)
    for name, wave in zip(("a.wav", "b.wav"), waves, strict=True):
        audio.write(tmp_path / name, wave, sample_rate=RATE)
    scene = measured(tmp_path, "b.wav", "a.wav")
    responses = impulse_responses(scene, sample_rate=RATE)
    assert as_bytes(responses) == [waves[1].tobytes(), waves[0].tobytes()]
    half = impulse_responses(scene, sample_rate=RATE // 2)
    assert as_bytes(half) == [
        audio.resample(waves[number], from_rate=RATE, to_rate=RATE // 2).tobytes() for number in (1, 0)
    ]


def test_measured_responses_that_are_not_what_they_were(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (2, 300)).astype(np.float32)
    audio.write(tmp_path / "a.wav", wave, sample_rate=RATE)
    scene = measured(tmp_path, "a.wav")
    wrong = measured(tmp_path, "a.wav", n_microphones=3)
    with pytest.raises(InputError, match=r"a.wav: has 2 channels, its room 3 microphones"):
        impulse_responses(wrong, sample_rate=RATE)
    # A cached response does not outlive its file.
    impulse_responses(scene, sample_rate=RATE)
    audio.write(tmp_path / "a.wav", 2 * wave, sample_rate=RATE)
    with pytest.raises(InputError, match=r"a.wav: has changed since the manifest was made"):
        impulse_responses(scene, sample_rate=RATE)
    (tmp_path / "a.wav").unlink()
    with pytest.raises(InputError, match=r"a.wav: no such impulse response"):
        impulse_responses(scene, sample_rate=RATE)
    wave[1] = 0
    audio.write(tmp_path / "b.wav", wave, sample_rate=RATE)
    with pytest.raises(InputError, match=r"b.wav: a channel of this impulse response is silent"):
        impulse_responses(measured(tmp_path, "b.wav"), sample_rate=RATE)


def test_the_measured_office_at_hand(corpora: Path) -> None:
    folder = corpora / "rir" / "surrey-room-a"
    if not folder.is_dir():
        pytest.skip(f"no measured impulse responses at {folder}")
    config = RoomConfig(kind="measured", folder=str(folder), clockwise=True)
    scene = Rooms(config).draw(2, generator(0, "room"))
    assert scene.n_microphones == 2 and None not in scene.azimuths_deg
    for response, azimuth in zip(impulse_responses(scene, sample_rate=RATE), scene.azimuths_deg, strict=True):
        assert azimuth is not None
        # Its reverberation is said to be 0.32 s, less close to the source; the ear on that side hears it louder.
        assert all(0.2 < decay_time(taps, to_db=-35) < 0.35 for taps in response)
        power = np.square(response, dtype=np.float64).sum(axis=1)
        assert azimuth == 0 or (power[0] > power[1]) == (azimuth > 0)


@pytest.mark.parametrize("azimuth", [-60.0, 60.0])
def test_a_positive_azimuth_is_nearer_to_the_first_microphone(azimuth: float) -> None:
    drawn = (Rooms(RoomConfig(spacing_m=0.2)).draw(1, generator(seed, "room")) for seed in range(100))
    scene = next(one for one in drawn if one.azimuths_deg[0] is not None and abs(one.azimuths_deg[0] - azimuth) < 20)
    (response,) = impulse_responses(scene, sample_rate=RATE)
    first, second = np.abs(response).argmax(axis=1)
    assert (first < second) == (azimuth > 0)

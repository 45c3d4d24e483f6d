"""Drawn rooms: everything inside, as far apart as asked for, and what is stated is what the geometry says."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.files import hash_file
from sepvae.mixing.places import Rooms, angle_between, azimuth_of
from sepvae.mixing.scene import RoomConfig, Scene
from sepvae.seeds import generator


def draw(seed: int = 0, n_sources: int = 2, **settings: Any) -> Scene:
    config = parse_config(RoomConfig, settings, where="test")
    return Rooms(config).draw(n_sources, generator(seed, "room"))


def seen_from_the_array(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each source in the plane, and its azimuth from the front, from the places alone."""
    microphones, sources = np.array(scene.microphones_m)[:, :2], np.array(scene.sources_m)[:, :2]
    centre = microphones.mean(axis=0)
    if scene.array == "linear":
        left = microphones[0] - microphones[-1]
        front = np.arctan2(-left[0], left[1])
    else:
        ahead = microphones[0] - centre
        front = np.arctan2(ahead[1], ahead[0])
    away = sources - centre
    azimuths = np.rad2deg(np.arctan2(away[:, 1], away[:, 0]) - front)
    return np.linalg.norm(away, axis=1), (azimuths + 180) % 360 - 180


@given(
    seed=st.integers(0, 10**6),
    n_sources=st.integers(1, 3),
    n_microphones=st.integers(2, 5),
    array=st.sampled_from(["linear", "circular"]),
    least=st.sampled_from([0.0, 30.0, 60.0]),
)
def test_all_places_are_as_asked_for(seed: int, n_sources: int, n_microphones: int, array: str, least: float) -> None:
    settings = {"array": array, "n_microphones": n_microphones, "min_angle_deg": least, "spacing_m": 0.04}
    scene = draw(seed, n_sources, **settings, size_m=[[4, 6], [3.5, 5], 2.6], rt60_s=[0.2, 0.4])
    assert scene.size_m is not None and scene.rt60_s is not None
    assert 4 <= scene.size_m[0] <= 6 and 3.5 <= scene.size_m[1] <= 5 and scene.size_m[2] == 2.6
    assert 0.2 <= scene.rt60_s <= 0.4
    places = np.array((*scene.microphones_m, *scene.sources_m))
    margin = 0.3 - 1e-5
    assert (places[:, :2] > margin).all() and (places[:, :2] < np.array(scene.size_m[:2]) - margin).all()
    assert (places[:, 2] >= 1.2 - 1e-5).all() and (places[:, 2] <= 1.5 + 1e-5).all()
    distances, azimuths = seen_from_the_array(scene)
    assert (distances > 1 - 1e-5).all() and (distances < 1.5 + 1e-5).all()
    # Places are rounded to a micrometre, 0.001° at four centimetres.
    for stated, found in zip(scene.azimuths_deg, azimuths, strict=True):
        assert stated is not None and angle_between(stated, found) < 0.01
        assert array == "circular" or abs(stated) <= 90
    for one, two in combinations(azimuths, 2):
        assert angle_between(one, two) >= least - 0.02
    microphones = np.array(scene.microphones_m)
    steps = np.linalg.norm(np.diff(microphones, axis=0, append=microphones[:1]), axis=1)
    np.testing.assert_allclose(steps[: None if array == "circular" else -1], 0.04, atol=1e-5)
    assert len(set(microphones[:, 2])) == 1


@given(seed=st.integers(0, 10**6))
def test_reverberation_moves_nobody(seed: int) -> None:
    dry, wet = draw(seed, rt60_s=0.15), draw(seed, rt60_s=0.5)
    assert (dry.microphones_m, dry.sources_m) == (wet.microphones_m, wet.sources_m)
    assert dry.absorption is not None and wet.absorption is not None
    assert dry.absorption == pytest.approx(wet.absorption * 0.5 / 0.15)


def test_another_stream_is_another_room() -> None:
    assert draw(1) == draw(1)
    assert draw(1).sources_m != draw(2).sources_m


def test_a_single_microphone_is_an_array_too() -> None:
    for array in ("linear", "circular"):
        assert len(draw(n_microphones=1, array=array).microphones_m) == 1


def test_where_nobody_finds_a_place() -> None:
    with pytest.raises(
        ConfigError, match=r"room: 2 sources 9 to 9 m from the microphones .* find no place in a room of"
    ):
        draw(distance_m=9)


@pytest.mark.parametrize(
    ("name", "azimuth"),
    [
        ("roomA_16k_az-30.wav", -30.0),
        ("az+05.5.wav", 5.5),
        ("AZ90", 90.0),
        ("azimuth_270.wav", 270.0),
        ("topaz5.wav", None),
        ("kitchen_3.wav", None),
    ],
)
def test_azimuths_in_names(name: str, azimuth: float | None) -> None:
    assert azimuth_of(name) == azimuth


@given(st.floats(-360, 360), st.floats(-360, 360), st.integers(-3, 3))
def test_angles_are_those_of_a_circle(one: float, two: float, turns: int) -> None:
    angle = angle_between(one, two)
    assert 0 <= angle <= 180
    assert angle_between(two, one + 360 * turns) == pytest.approx(angle, abs=1e-9)


def write_responses(folder: Path, names: list[str], *, n_channels: int = 3) -> None:
    for number, name in enumerate(names):
        wave = np.zeros((n_channels, 50), np.float32)
        wave[:, 5 + number] = 0.5
        audio.write(folder / name, wave, sample_rate=8000)


@given(seed=st.integers(0, 10**6), least=st.sampled_from([0.0, 30.0, 45.0]))
def test_measured_places_are_apart(tmp_path_factory: pytest.TempPathFactory, seed: int, least: float) -> None:
    folder = tmp_path_factory.getbasetemp() / "responses"
    names = [f"az{azimuth:+03}.wav" for azimuth in range(-90, 91, 15)]
    if not folder.is_dir():
        write_responses(folder, names)
    scene = draw(seed, 3, kind="measured", folder=str(folder), min_angle_deg=least)
    assert scene.kind == "measured" and scene.n_microphones == 3 and scene.folder == str(folder.resolve())
    assert len(set(scene.files)) == 3 and set(scene.files) <= set(names)
    assert scene.azimuths_deg == tuple(azimuth_of(name) for name in scene.files)
    assert scene.sha256 == tuple(hash_file(folder / name) for name in scene.files)
    known = [azimuth for azimuth in scene.azimuths_deg if azimuth is not None]
    assert all(angle_between(one, two) >= least for one, two in combinations(known, 2))


def test_azimuths_of_a_measured_room_count_as_those_of_a_simulated_one(tmp_path: Path) -> None:
    names = ["az+00.wav", "az-30.wav", "az+90.wav", "door.wav"]
    write_responses(tmp_path, names)
    stated = {"az+00.wav": 0.0, "az-30.wav": 30.0, "az+90.wav": -90.0, "door.wav": None}
    scene = draw(0, 4, kind="measured", folder=str(tmp_path), clockwise=True)
    assert dict(zip(scene.files, scene.azimuths_deg, strict=True)) == stated
    assert "-0.0" not in scene.model_dump_json()
    with pytest.raises(ConfigError, match="clockwise: is of the names of measured impulse responses"):
        draw(clockwise=True)


def test_files_without_azimuths_may_be_anywhere(tmp_path: Path) -> None:
    write_responses(tmp_path, ["door.wav", "window.WAV"])
    (tmp_path / "LICENSE.txt").write_text("free")
    scene = draw(kind="measured", folder=str(tmp_path), min_angle_deg=180)
    assert set(scene.files) == {"door.wav", "window.WAV"} and scene.azimuths_deg == (None, None)


def test_folders_that_give_no_places(tmp_path: Path) -> None:
    settings = {"kind": "measured", "folder": str(tmp_path / "x")}
    with pytest.raises(InputError, match="x: no such folder: give one of impulse responses"):
        draw(**settings)
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="no impulse responses found there: give a folder of audio files"):
        draw(**settings)
    write_responses(tmp_path / "x", ["az0.wav", "az10.wav"])
    with pytest.raises(ConfigError, match=r"the 2 impulse responses in .* give no 3 places 30 degrees apart"):
        draw(n_sources=3, **settings)
    with pytest.raises(ConfigError, match=r"give no 2 places 30 degrees apart: ask for a smaller room.min_angle_deg"):
        draw(**settings)
    write_responses(tmp_path / "x", ["az50.wav"], n_channels=2)
    with pytest.raises(InputError, match=r"az0.wav has 3 channels and az50.wav has 2: all must be of the same"):
        draw(**settings)

"""Records of rooms: what can be asked for, what can be built, and what a manifest may say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.scene import MAX_ORDER, SPEED_OF_SOUND_M_S, RoomConfig, Scene, reverberation

SIDE = st.floats(2.0, 9.0)
SHA = "0" * 64


def room(**settings: Any) -> RoomConfig:
    config = parse_config(MixingConfig, {"room": settings}, where="test").room
    assert config is not None
    return config


def scene(**changes: Any) -> Scene:
    facts = {
        "kind": "simulated",
        "n_microphones": 2,
        "azimuths_deg": [0.0, 40.0],
        "size_m": [4, 3, 2.5],
        "absorption": 0.5,
        "max_order": 3,
        "microphones_m": [[2, 1, 1], [2.05, 1, 1]],
        "sources_m": [[2, 2, 1], [1, 2, 1]],
    }
    return parse_config(Scene, {**facts, **changes}, where="line 2")


def test_the_default_is_a_small_dry_room_with_two_microphones() -> None:
    config = room()
    assert config == RoomConfig()
    assert config.size_m == ((4.0, 4.0), (3.5, 3.5), (2.6, 2.6)) and config.rt60_s == (0.15, 0.15)
    assert (config.n_microphones, config.spacing_m, config.distance_m, config.min_angle_deg) == (2, 0.05, (1, 1.5), 30)


def test_one_number_is_a_range() -> None:
    config = room(size_m=[5, [3, 4], 2.5], rt60_s=0.3)
    assert config.size_m == ((5, 5), (3, 4), (2.5, 2.5)) and config.rt60_s == (0.3, 0.3)


@given(length=SIDE, width=SIDE, height=SIDE, rt60_s=st.floats(0.05, 2.0))
def test_walls_are_those_of_pyroomacoustics(length: float, width: float, height: float, rt60_s: float) -> None:
    pyroomacoustics = pytest.importorskip("pyroomacoustics")
    size = (length, width, height)
    try:
        absorption, max_order = pyroomacoustics.inverse_sabine(rt60_s, size, c=SPEED_OF_SOUND_M_S)
    except ValueError:
        with pytest.raises(ConfigError, match="even when its walls swallow all sound"):
            reverberation(size, rt60_s)
        return
    if max_order > MAX_ORDER:
        with pytest.raises(ConfigError, match="at most 150 can be simulated"):
            reverberation(size, rt60_s)
        return
    ours = reverberation(size, rt60_s)
    assert ours[0] == pytest.approx(absorption, rel=1e-12)
    # Where the order is a whole number, the last digit decides.
    assert abs(ours[1] - max(max_order, 0)) <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rt60_s": 0.05}, r"room: rt60_s = 0.05: a room of 4 x 3.5 x 2.6 m reverberates 0.088 s even when"),
        ({"size_m": [[3, 20], 15, 3]}, r"rt60_s = 0.15: a room of 20 x 15 x 3 m reverberates 0\.\d+ s even when"),
        ({"rt60_s": 2}, "takes 328 reflections, at most 150 can be simulated: ask for a shorter rt60_s or a larger"),
        ({"rt60_s": [0.3, 0.2]}, "room.rt60_s: the range 0.3 to 0.2 is upside down: give the smaller number first"),
        ({"rt60_s": 0}, "room.rt60_s.0 = 0.*: give a number above 0"),
        ({"distance_m": [-1, 1]}, "room.distance_m.0 = -1: give a number above 0"),
        ({"size_m": [4, 1e300, 3]}, "room.size_m.1.0 = 1e\\+300: give 1000 or less"),
        ({"size_m": [4, 3]}, "room.size_m"),
        ({"size_m": [4, [3, 2], 2.5]}, "room.size_m.1: the range 3 to 2"),
        ({"margin_m": 2}, "margin_m = 2: leaves no place in a room of 4 x 3.5 x 2.6 m"),
        ({"height_m": 2.6}, "height_m: 2.6 m is above the ceiling of a room of 4 x 3.5 x 2.6 m"),
        ({"n_microphones": 0}, "room.n_microphones = 0"),
        ({"array": "square"}, "room.array = 'square'"),
        ({"min_angle_deg": 200}, "room.min_angle_deg = 200"),
        ({"kind": "measured"}, "folder: kind = measured needs a folder of impulse responses"),
        ({"folder": "x"}, "folder = x: a simulated room takes no impulse responses: set kind = measured"),
        ({"rt60": 0.3}, "unknown key 'room.rt60'"),
    ],
)
def test_what_cannot_be_built_names_the_key(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        room(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"sources": ["any"] * 4, "room": {"min_angle_deg": 70}},
            "4 sources find no directions so far apart within 180",
        ),
        (
            {"sources": ["any"] * 6, "room": {"min_angle_deg": 70, "array": "circular"}},
            "6 sources find no directions so far apart within 360",
        ),
        ({"room": {}, "noise_folder": "hiss"}, "noise_folder = hiss: is noise at one microphone, and room has several"),
    ],
)
def test_mixtures_that_fit_in_no_room(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(MixingConfig, settings, where="test")


def test_a_circle_has_room_for_more_directions() -> None:
    settings = {"sources": ["any"] * 5, "room": {"min_angle_deg": 70, "array": "circular"}}
    assert parse_config(MixingConfig, settings, where="test").room is not None


def test_the_settings_of_the_other_kind_do_not_matter() -> None:
    measured = room(kind="measured", folder="rir", rt60_s=0.01)
    assert measured.folder == "rir"
    config = MixingConfig(room=measured)
    assert config.folders == {"room": Path("rir")}
    assert MixingConfig(room=RoomConfig()).folders == {} == MixingConfig().folders


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": 2}, "reference = 2: there are only 2 microphones"),
        ({"gains": [1.0]}, "gains: 1 of them for 2 sources"),
        ({"sources_m": [[2, 2, 1]]}, "the simulated room is incomplete"),
        ({"microphones_m": [[2, 1, 1]]}, "the simulated room is incomplete"),
        ({"absorption": None}, "the simulated room is incomplete"),
        ({"absorption": 1.5}, "absorption = 1.5"),
        ({"max_order": 100_000}, "max_order = 100000"),
        ({"sources_m": [[2, 2, 1], [1, 9, 1]]}, r"the place \(1.0, 9.0, 1.0\) is outside of the room"),
        ({"kind": "measured"}, "the measured room is incomplete"),
        ({"kind": "measured", "folder": "x", "files": ["a.wav"], "sha256": [SHA]}, "the measured room is incomplete"),
        ({"files": ["../a.wav"]}, "must be a path inside the corpus"),
        ({"files": ["/a.wav"]}, "must be a path inside the corpus"),
        ({"files": ["sox |"]}, "is a command, not a file"),
        ({"sha256": ["beef"]}, "sha256.0 = 'beef'"),
    ],
)
def test_a_room_in_a_manifest_is_checked(changes: dict[str, Any], message: str) -> None:
    assert scene().n_sources == 2
    with pytest.raises(ConfigError, match=message):
        scene(**changes)

"""The plan of a room on the page: well-formed, to scale, and readable without seeing it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from sepvae.report.rooms import Room, describe_room, describe_talkers, plan


@pytest.fixture
def measured(room: Room) -> Room:
    """The same of measured responses, of which only one says its angle."""
    unknown = np.zeros((0, 3))
    return replace(
        room, kind="measured", azimuths_deg=(-15.0, None), size_m=None, microphones_m=unknown, sources_m=unknown,
        array=None, rt60_s=None, place="room-a",
    )  # fmt: skip


def circles(drawing: str, class_: str) -> list[tuple[float, float]]:
    """Return the centres of the dots of a class, parsing the drawing as XML."""
    found = ET.fromstring(drawing).iter("circle")  # noqa: S314 - our own drawing
    return [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in found if dot.get("class") == class_]


def test_talkers_are_to_scale_and_the_y_axis_points_up(room: Room) -> None:
    (ax, ay), (bx, by) = circles(plan(room, item="test-1"), "talker")
    scale = (bx - ax) / (room.sources_m[1, 0] - room.sources_m[0, 0])
    assert (by - ay) / (room.sources_m[1, 1] - room.sources_m[0, 1]) == pytest.approx(-scale, rel=1e-2)
    assert scale * 4.0 <= 300


def test_the_front_follows_from_an_azimuth(room: Room) -> None:
    assert room.front_rad is not None
    assert np.cos(room.front_rad) == pytest.approx(0, abs=1e-9)
    assert np.sin(room.front_rad) == pytest.approx(-1)


def test_a_small_array_is_enlarged_and_the_reference_marked(room: Room) -> None:
    assert len(circles(plan(room, item="x"), "reference")) == 2  # in the lens, and in its legend
    wide = replace(room, microphones_m=np.array([[3.0, 1.0, 1.3], [1.0, 1.0, 1.3]]))
    assert len(circles(plan(wide, item="x"), "reference")) == 1


def test_names_are_cut_and_escaped(room: Room) -> None:
    drawing = plan(room, item="x <i>")
    assert "a name that i…" in drawing
    assert "<b>" not in drawing
    assert "<i>" not in drawing


def test_a_measured_room_shows_the_angles_it_knows(measured: Room) -> None:
    assert len(circles(plan(measured, item="x"), "talker")) == 1
    assert plan(replace(measured, azimuths_deg=(None, None)), item="x") == ""
    assert "unknown" in describe_talkers(measured)[1]


def test_azimuths_of_measured_rooms_count_counter_clockwise_too(measured: Room) -> None:
    """From above, with the front at the top: a positive one is to the left, as it is in a plan to scale."""
    drawing = plan(replace(measured, azimuths_deg=(-60.0, 60.0)), item="x")
    (ax, ay), (bx, by) = circles(drawing, "talker")
    ((x, y),) = circles(drawing, "microphone")
    assert bx < x < ax
    assert ay == by < y


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("room", "Simulated room of 4 × 3.5 × 2.6 m (length × width × height), RT60 0.3 s"),
        ("room", "linear array of 2 microphones, 5 cm apart, reference microphone 1"),
        ("room", "positive towards microphone 0"),
        ("measured", "Measured impulse responses (room-a), RT60 not stated; 2 microphones, reference"),
        ("measured", "counter-clockwise from above where these count so or room.clockwise was set"),
    ],
)
def test_a_room_in_words(room: Room, measured: Room, kind: str, words: str) -> None:
    assert words in describe_room({"room": room, "measured": measured}[kind])


def test_a_talker_in_words(room: Room) -> None:
    assert describe_talkers(room)[0] == "anna: azimuth −30°, 1.00 m away, 1.50 m high"

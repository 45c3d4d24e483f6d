"""Directivity of demixing filters against closed forms, and traces of objectives."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from sepvae.report.filters import directions_of, directivity_db, directivity_picture, trace, usable
from sepvae.report.rooms import Room
from sepvae.report.systems import ShownSystem, Systems

SYSTEMS = Systems([ShownSystem("mvae", "MVAE", "ours"), ShownSystem("auxiva", "AuxIVA", "baseline")])

SPACING_M, RATE, N_BINS = 0.05, 16000, 129
FREQUENCIES = np.linspace(0, RATE / 2, N_BINS)


def null_toward(azimuth_deg: float) -> np.ndarray:
    """Return the filter (bins, 1, 2) of two microphones that is deaf to one direction: x0 less x1 delayed."""
    delay_s = SPACING_M * np.sin(np.deg2rad(azimuth_deg)) / 343.0
    return np.stack([np.ones(N_BINS), -np.exp(2j * np.pi * FREQUENCIES * delay_s)], axis=-1)[:, None]


@pytest.mark.parametrize("azimuth", [-60, 0, 30])
def test_a_null_is_where_it_was_put(room: Room, azimuth: float) -> None:
    """Positive azimuths are toward microphone 0."""
    # Below the frequency at which half a wavelength is the spacing, there is one null.
    levels, azimuths = directivity_db(null_toward(azimuth), room)[0, 8:50], directions_of(room)
    there, mirrored = (levels[:, np.abs(azimuths - sign * azimuth).argmin()] for sign in (1, -1))
    np.testing.assert_allclose(there, levels.min(axis=1), atol=1e-6)
    assert azimuth == 0 or (mirrored > there + 10).all()


def test_levels_are_under_the_maximum_and_over_the_range(room: Room) -> None:
    levels = directivity_db(null_toward(20), room)
    assert levels.shape == (1, N_BINS, len(directions_of(room)))
    np.testing.assert_allclose(levels[0, 1:].max(axis=1), 0, atol=1e-9)
    assert levels.min() >= -30


def test_one_microphone_hears_every_direction_alike(room: Room) -> None:
    filters = np.zeros((N_BINS, 1, 2), complex)
    filters[..., 0] = 1 + 1j
    np.testing.assert_allclose(directivity_db(filters, room), 0, atol=1e-9)


def test_a_filter_of_zeros_is_dark_and_finite(room: Room) -> None:
    np.testing.assert_array_equal(directivity_db(np.zeros((N_BINS, 2, 2), complex), room), -30)


def test_a_circular_array_sees_all_around(room: Room) -> None:
    assert directions_of(replace(room, array="circular"))[[0, -1]].tolist() == [-180, 180]


def test_the_picture_has_a_line_for_each_talker(room: Room) -> None:
    drawing = directivity_picture(directivity_db(null_toward(0), room)[0], room, source=1, label="who <listens>")
    classes = [line.get("class") for line in ET.fromstring(drawing).iter("line")]  # noqa: S314 - our own
    assert classes.count("truth-line") == 1
    assert classes.count("truth-line other") == 1
    assert "<listens>" not in drawing


def test_traces_start_at_their_first_iteration_and_say_where_they_end() -> None:
    objectives = {"mvae": np.array([900.0, 5.0, 3.0, 2.5]), "auxiva": np.array([7.0, 1.0, 0.5])}
    drawing = trace(objectives, SYSTEMS, item="t")
    lines = list(ET.fromstring(drawing).iter("polyline"))  # noqa: S314 - our own drawing
    starts = {line.get("points", "").split()[0] for line in lines}
    assert len(lines) == 2
    assert len(starts) == 1
    assert "AuxIVA −0.5 after 2; MVAE −2.5 after 3" in drawing


@pytest.mark.parametrize(
    ("values", "wanted"),
    [(None, False), ([1.0, 2.0], False), ([[1.0] * 3], False), ([1.0, 2.0, np.nan], False), ([2.0] * 3, True)],
)
def test_what_can_be_drawn(values: object, wanted: bool) -> None:
    assert usable(None if values is None else np.array(values)) is wanted


def test_a_flat_trace_is_drawn() -> None:
    assert "nan" not in trace({"mvae": np.array([2.0, 2.0, 2.0])}, SYSTEMS, item="t")

"""A simulated room that the page draws."""

from __future__ import annotations

import numpy as np
import pytest

from sepvae.report.rooms import Room


@pytest.fixture
def room() -> Room:
    """Two microphones 5 cm apart that look along −y: to the left of that is +x, where microphone 0 is."""
    return Room(
        kind="simulated",
        names=("anna", "a name that is far too long <b>"),
        azimuths_deg=(-30.0, 45.0),
        n_microphones=2,
        reference=1,
        sample_rate=16000,
        speed_of_sound_m_s=343.0,
        microphones_m=np.array([[2.025, 1.0, 1.3], [1.975, 1.0, 1.3]]),
        sources_m=np.array([[2 - np.sin(np.pi / 6), 1 - np.cos(np.pi / 6), 1.5], [2.5, 0.5, 1.5]]),
        array="linear",
        size_m=(4.0, 3.5, 2.6),
        rt60_s=0.3,
    )

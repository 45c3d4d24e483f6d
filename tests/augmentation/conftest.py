"""The model of segments that the tests of this room work with."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(segment_model: Path) -> Path:
    return segment_model

"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test fails because a machine is slow, or passes by the luck of the draw.
settings.register_profile("sepvae", deadline=None, derandomize=True, database=None)
settings.load_profile("sepvae")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real recordings; tests that need it skip when it is absent, or fail where it must be there."""
    folder = Path(os.environ.get("SEPVAE_CORPORA", PROJECT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        reason = f"no real recordings at {folder}: set SEPVAE_CORPORA"
        if os.environ.get("SEPVAE_REQUIRE_CORPORA"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder

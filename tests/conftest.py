"""Fixtures that every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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

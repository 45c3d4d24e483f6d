"""A fixture for tests that load plug-ins or register entries: afterwards all tables are as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from sepvae import plugins


@pytest.fixture
def fresh_tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test loads and registers."""
    monkeypatch.setattr(plugins, "_loaded", {})
    for table in map(plugins.table, plugins.SHELVES):
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_registered", dict(table._registered))
    yield
    for name in plugins._loaded.values():
        sys.modules.pop(name, None)

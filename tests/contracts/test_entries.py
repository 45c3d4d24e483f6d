"""Every entry of every table keeps the contract of its shelf: it is tested the moment it is listed."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae import plugins
from sepvae.testing import checks
from sepvae.testing.contract import Check

from .small import settings_of

CASES = [
    pytest.param(check, name, settings, id=f"{shelf}-{name}-{number}-{check.__name__.removeprefix('check_')}")
    for shelf in plugins.SHELVES
    for name in plugins.table(shelf)
    for number, settings in enumerate(settings_of(shelf, name))
    for check in checks(shelf)
    if check.applies(name)
]


@pytest.mark.parametrize(("check", "name", "settings"), CASES)
def test_every_entry_keeps_its_contract(check: Check, name: str, settings: dict[str, Any]) -> None:
    check(name, settings)

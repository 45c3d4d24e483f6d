"""Every entry of every table keeps the contract of its shelf: it is tested the moment it is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sepvae import plugins, testing
from sepvae.testing import SUITES, checks
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


def test_every_shelf_has_a_suite() -> None:
    assert list(SUITES) == list(plugins.SHELVES)
    files = {path.stem for path in Path(testing.__file__).parent.glob("*.py")} - {"__init__", "contract"}
    assert sorted(SUITES.values()) == sorted(files)


@pytest.mark.parametrize("shelf", SUITES)
def test_every_law_is_stated_and_about_some_entry(shelf: str) -> None:
    assert len({check.__name__ for check in checks(shelf)}) == len(checks(shelf)) > 0
    for check in checks(shelf):
        assert check.__doc__ and check.__doc__.splitlines()[0].endswith("."), check.__name__
        assert any(check.applies(name) for name in plugins.table(shelf)), check.__name__

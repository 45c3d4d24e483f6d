"""Tables: a name of the table becomes its code, and nothing else becomes code."""

from __future__ import annotations

import collections

import pytest

from sepvae.errors import ConfigError
from sepvae.tables import Table

TABLE = Table("container", {"ordered": "collections:OrderedDict", "counter": "collections:Counter"})


def test_a_name_becomes_what_its_entry_says() -> None:
    assert TABLE.resolve("counter") is collections.Counter


@pytest.mark.parametrize("name", ["count", "Counter", "ccounter"])
def test_a_slip_is_told_the_closest_name(name: str) -> None:
    message = rf"unknown container '{name}': did you mean 'counter'\? choose one of ordered, counter$"
    with pytest.raises(ConfigError, match=message):
        TABLE.resolve(name)


@pytest.mark.parametrize("name", ["", "os:system", "collections:Counter", "__class__", "đọc"])
def test_other_names_are_told_the_choices(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^unknown container .*choose one of ordered, counter$"):
        TABLE.resolve(name)

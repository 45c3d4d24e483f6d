"""Settings of mixtures: every range may be one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from sepvae.errors import ConfigError
from sepvae.mixing.config import MixingConfig
from sepvae.settings import compose


def ranges(config: type[BaseModel], *above: str) -> Iterator[tuple[str, float]]:
    """Yield the name of each range in a config and in those within it, and the smaller number of its default."""
    for name, field in config.model_fields.items():
        default = field.default
        if isinstance(default, tuple) and len(default) == 2 and isinstance(default[0], float):
            yield ".".join((*above, name)), default[0]
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from ranges(part, *above, name)


RANGES = dict(ranges(MixingConfig))


def test_the_ranges_are_found() -> None:
    assert {"duration_s", "snr_db", "noise_snr_db", "room.rt60_s", "room.distance_m", "room.height_m"} <= RANGES.keys()


@pytest.mark.parametrize("name", RANGES)
def test_a_range_may_be_one_number(name: str) -> None:
    value = RANGES[name]
    found: object = compose(MixingConfig, overrides=[f"{name}={value}"])
    for key in name.split("."):
        found = getattr(found, key)
    assert found == (value, value)
    with pytest.raises(ConfigError, match=rf"{name}: the range 3 to 2 is upside down"):
        compose(MixingConfig, overrides=[f"{name}=[3, 2]"])


def test_the_sides_of_a_room_may_be_three_numbers() -> None:
    room = compose(MixingConfig, overrides=["room.size_m=[5, [4, 4.5], 3]"]).room
    assert room is not None and room.size_m == ((5, 5), (4, 4.5), (3, 3))

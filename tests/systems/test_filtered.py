"""The filter behind another system: what it filters, and that a recipe runs it after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe.schema import Recipe
from sepvae.separation.band_pass import BandPassConfig, band_pass
from sepvae.systems.filtered import Filtered, FilteredConfig

RATE = 8000
FILTER = BandPassConfig(low_hz=300, high_hz=3000)


def estimates() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(2000).astype(np.float32) for name in ("a", "b")}


def test_every_estimate_is_filtered() -> None:
    found = Filtered(FilteredConfig(filter=FILTER), sample_rate=RATE).derive(estimates())
    for name, wave in estimates().items():
        np.testing.assert_array_equal(found[name], band_pass(wave, FILTER, sample_rate=RATE))


def test_sources_that_are_not_chosen_stay_as_they_are() -> None:
    found = Filtered(FilteredConfig(filter=FILTER, sources=("b",)), sample_rate=RATE).derive(estimates())
    np.testing.assert_array_equal(found["a"], estimates()["a"])
    assert not np.array_equal(found["b"], estimates()["b"])


def test_an_edge_the_rate_cannot_have_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match="give high_hz below 4000 Hz"):
        Filtered(FilteredConfig(), sample_rate=RATE)


@pytest.mark.parametrize("of", ["vea", "twice"])
def test_a_recipe_needs_the_system_that_is_filtered(of: str) -> None:
    systems = {
        "mixture": {"kind": "mixture"},
        "twice": {"kind": "filtered", "settings": {"of": "mixture"}},
        "bpf": {"kind": "filtered", "settings": {"of": of}},
    }
    with pytest.raises(ConfigError, match=f"system bpf: of = '{of}': name another system of the recipe: mixture"):
        parse_config(Recipe, {"title": "t", "systems": systems}, where="test")

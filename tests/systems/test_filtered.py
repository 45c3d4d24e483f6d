"""The filter behind another system: what it filters, and that a recipe runs it after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe.run import run_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.separation.band_pass import BandPassConfig, band_pass
from sepvae.systems.filtered import FilteredConfig, FilteredSystem

RATE = 8000
FILTER = BandPassConfig(low_hz=300, high_hz=3000)


def estimates() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(2000).astype(np.float32) for name in ("a", "b")}


def test_every_estimate_is_filtered() -> None:
    found = FilteredSystem(FilteredConfig(filter=FILTER), sample_rate=RATE).derive(estimates())
    for name, wave in estimates().items():
        np.testing.assert_array_equal(found[name], band_pass(wave, FILTER, sample_rate=RATE))


def test_sources_that_are_not_chosen_stay_as_they_are() -> None:
    found = FilteredSystem(FilteredConfig(filter=FILTER, sources=("b",)), sample_rate=RATE).derive(estimates())
    np.testing.assert_array_equal(found["a"], estimates()["a"])
    assert not np.array_equal(found["b"], estimates()["b"])


def test_a_source_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="sources: 'c' is no source of mixture: choose from a, b"):
        FilteredSystem(FilteredConfig(filter=FILTER, sources=("c",)), sample_rate=RATE).derive(estimates())


def test_an_edge_the_rate_cannot_have_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match="give high_hz below 4000 Hz"):
        FilteredSystem(FilteredConfig(), sample_rate=RATE)


@pytest.mark.parametrize("of", ["vea", "twice"])
def test_a_recipe_needs_the_system_that_is_filtered(of: str) -> None:
    systems = {
        "mixture": {"kind": "mixture"},
        "twice": {"kind": "filtered", "settings": {"of": "mixture"}},
        "bpf": {"kind": "filtered", "settings": {"of": of}},
    }
    with pytest.raises(ConfigError, match=f"system bpf: of = '{of}': name another system of the recipe: mixture"):
        parse_config(SeparationRecipe, {"title": "t", "systems": systems}, where="test")


def test_a_recipe_filters_what_the_other_system_gives_now(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for speaker in ("anna", "ben"):
        for number in range(6):
            wave = 0.1 * rng.standard_normal(RATE).astype(np.float32)
            audio.write(tmp_path / "corpus" / speaker / f"{number}.wav", wave, sample_rate=RATE)

    def run(mask: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the waves of the ideal mask and of the filter behind it, which the recipe lists first."""
        systems = {
            "behind": {"kind": "filtered", "settings": {"of": "ideal", "filter": FILTER.model_dump()}},
            "mixture": {"kind": "mixture"},
            "ideal": {"kind": "ideal_mask", "settings": {"mask": mask}},
        }
        mixing = {"sources": ["anna", "ben"], "n_train": 1, "n_valid": 1, "n_test": 1, "sample_rate": RATE}
        data = {
            "title": "t",
            "systems": systems,
            "mixing": {**mixing, "duration_s": [0.5, 1.0]},
            "splits": ["speaker_seen"],
            "evaluation": {"measures": ["si_sdr"]},
        }
        results = run_recipe(
            parse_config(SeparationRecipe, data, where="test"),
            out=tmp_path / "out",
            corpus=tmp_path / "corpus",
            device="cpu",
        ).results
        # Behind a ceiling is one that knows as much: only the mixture competes.
        assert results["splits"]["speaker_seen"]["comparisons"] == []
        folders = [tmp_path / "out/speaker_seen/audio" / name for name in ("ideal", "behind")]
        found = [{p.name: audio.read_mono(p, RATE) for p in folder.rglob("*.wav")} for folder in folders]
        return found[0], found[1]

    ideals = []
    for mask in ("ratio", "wiener"):
        ideal, behind = run(mask)
        assert set(ideal) == set(behind) == {"anna.wav", "ben.wav"}
        for name, wave in ideal.items():
            np.testing.assert_array_equal(behind[name], band_pass(wave, FILTER, sample_rate=RATE))
        ideals.append(ideal)
    assert not np.array_equal(ideals[0]["anna.wav"], ideals[1]["anna.wav"])

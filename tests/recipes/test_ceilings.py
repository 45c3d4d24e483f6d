"""Every system that masks has its ceiling in its recipe, the ideal Wiener mask at its own STFT; NMF is one in all."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.frontend.stft import StftConfig
from sepvae.recipe.catalogue import find_recipe, recipe_files
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.settings import preset
from sepvae.systems.contract import describe_systems
from sepvae.systems.nmf import NmfConfig

COMPLEX = preset("complex_vae")


def separation_recipes() -> dict[str, SeparationRecipe]:
    """Return the recipes whose results are reported: those in develop/ choose settings, cell by cell."""
    loaded = {name: load_recipe(path) for name, path in recipe_files().items() if not name.startswith("develop/")}
    return {name: recipe for name, recipe in loaded.items() if isinstance(recipe, SeparationRecipe)}


def without_ceiling(recipe: SeparationRecipe) -> dict[str, StftConfig]:
    """Return the systems of a recipe that mask where it has no ideal Wiener mask, and the STFT of each."""
    facts = describe_systems(recipe.systems)
    stfts = {name: choice.entry.mask_stft(choice.config()) for name, choice in recipe.systems.items()}
    wiener = {name for name, choice in recipe.systems.items() if choice.settings.get("mask") == "wiener"}
    ceilings = [stfts[name] for name, own in facts.items() if own.role == "ceiling" and name in wiener]
    return {name: stft for name, stft in stfts.items() if stft is not None and stft not in ceilings}


@pytest.mark.parametrize("name", sorted(separation_recipes()))
def test_every_system_that_masks_has_its_ceiling(name: str) -> None:
    assert without_ceiling(separation_recipes()[name]) == {}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        (["systems.vae.settings.frontend.stft.window_ms=32"], ["vae"]),
        (["systems.kl_nmf.settings.stft.hop_ms=8"], ["kl_nmf"]),
        (["systems.kl_nmf.settings.stft.window=sine"], ["kl_nmf"]),
        (["systems.ideal_wiener_16_8=null"], ["vae"]),
        (["systems.ideal_wiener_16_8.settings.mask=ratio"], ["ideal_wiener_16_8", "vae"]),
    ],
)
def test_a_system_without_its_ceiling_is_found(changes: list[str], missing: list[str]) -> None:
    recipe = load_recipe(find_recipe("timit/vae"), overrides=changes)
    assert isinstance(recipe, SeparationRecipe)
    assert sorted(without_ceiling(recipe)) == missing


@pytest.mark.parametrize(
    ("system", "window_ms"),
    [
        ({"kind": "source_models", "settings": {"frontend": {"stft": {"window_ms": 32}}}}, 32),
        ({"kind": "nmf"}, 64),
        ({"kind": "ideal_mask"}, 16),
        ({"kind": "mixture"}, None),
        ({"kind": "wavelet"}, None),
        ({"kind": "demixing", "settings": {"algorithm": "ilrma"}}, None),
        ({"kind": "source_models", "settings": {"model": "conv_tasnet", "objective": "wave_sdr"}}, None),
        ({"kind": "source_models", "settings": COMPLEX}, 32),
        ({"kind": "source_models", "settings": {**COMPLEX, "mask": "direct"}}, None),
    ],
)
def test_systems_say_where_they_mask(system: dict[str, Any], window_ms: float | None) -> None:
    recipe = parse_config(SeparationRecipe, {"title": "t", "systems": {"a": system}}, where="test")
    stft = recipe.systems["a"].entry.mask_stft(recipe.systems["a"].config())
    assert (stft and stft.window_ms) == window_ms


def test_nmf_has_the_same_settings_in_all_recipes_but_that_of_a_paper() -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for name, recipe in separation_recipes().items():
        for choice in recipe.systems.values():
            config = choice.config()
            if isinstance(config, NmfConfig):
                found.setdefault(config.divergence, {}).setdefault(config.model_dump_json(), set()).add(name)
    assert len(found["itakura_saito"]) == 1
    assert len(found["kullback_leibler"]) == 2 and {"timit/gass"} in found["kullback_leibler"].values()
    gass = separation_recipes()["timit/gass"]
    assert "the paper's" in describe_systems(gass.systems)["kl_nmf"].label

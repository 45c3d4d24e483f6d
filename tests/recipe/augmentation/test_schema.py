"""The schema of recipes of augmentation: what it fills in, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.errors import ConfigError
from sepvae.recipe.augmentation.schema import AugmentationRecipe
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
MAIN = RECIPES / "augment/does_it_help.yaml"
PLAIN: dict[str, Any] = {
    "kind": "augmentation",
    "title": "t",
    "arms": {"none": {}, "soft": {"methods": ["soft"], "copies": 2}},
    "conditions": {"clean": {}, "noise": {"method": "noise", "settings": {"noise": {"snr_db": 10}}}},
}


def load(folder: Path, **changes: Any) -> AugmentationRecipe:
    path = folder / "r.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, **changes}, sort_keys=False))
    recipe = load_recipe(path)
    assert isinstance(recipe, AugmentationRecipe)
    return recipe


def test_the_kind_decides_and_separation_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path).compared == ("none", "soft")
    assert isinstance(load_recipe(RECIPES / "timit/vae.yaml"), SeparationRecipe)
    with pytest.raises(ConfigError, match="unknown kind of recipe 'augmentations': did you mean 'augmentation'"):
        load(tmp_path, kind="augmentations")


def test_the_model_of_speech_is_that_of_the_command_line(tmp_path: Path) -> None:
    model = load(tmp_path, model={"optimiser": {"epochs": 2}}).model
    assert model["model"]["kind"] == "segment_conv"
    assert model["optimiser"]["epochs"] == 2
    assert model["optimiser"]["segment_frames"] == 20


def test_the_main_part_is_all_that_is_not_clean(tmp_path: Path) -> None:
    assert load(tmp_path).part_names == ("clean", "noise")
    more = {**PLAIN["conditions"], "room": {"method": "reverberation"}}
    assert load(tmp_path, conditions=more).part_names == ("mismatched", "clean", "noise", "room")


def test_the_quick_form_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, "quick": {"arms": {"soft": {"copies": 1}}}}))
    copies = [load_recipe(path, quick=quick).arms["soft"].copies for quick in (False, True)]  # type: ignore[union-attr]
    assert copies == [2, 1]


def test_arms_set_to_null_are_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, arms={**PLAIN["arms"], "hard": None}).compared == ("none", "soft")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"a": {"methods": ["sofft"]}}}, "unknown augmentation 'sofft': did you mean 'soft'"),
        (
            {"arms": {"a": {"methods": ["soft"], "settings": {"hard": {}}}}},
            "hard: has settings, but the methods are soft",
        ),
        ({"arms": {"a": {"methods": ["soft"], "settings": {"soft": {"gama": 1}}}}}, "did you mean 'gamma'"),
        ({"arms": {"a b": {}}}, "arm 'a b': use letters, digits and underscores"),
        ({"conditions": {"mismatched": {}}}, "condition 'mismatched': is the mean of all but 'clean'"),
        ({"unlabelled": {"methods": ["noise"]}}, "unlabelled.methods: needs gain with gain_db: 0"),
        ({"model": {"optimiser": {"segment_frames": 10}}}, "codes segments of 20 frames"),
        (
            {"hypotheses": [{"claim": "c", "system": "soft", "others": ["hard"], "direction": "greater"}]},
            "hypothesis 'c': unknown arm 'hard': choose one of none, soft",
        ),
        (
            {"hypotheses": [{"claim": "c", "system": "soft", "others": ["none"], "direction": "less", "where": "car"}]},
            "where: unknown condition 'car': choose one of clean, noise",
        ),
        (
            {"hypotheses": [{"claim": "c", "system": "a", "others": ["b"], "direction": "less", "measure": "snr"}]},
            "unknown measure 'snr': choose one of phone_accuracy, frame_accuracy",
        ),
        ({"systems": {}}, "unknown key 'systems'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, **changes)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("path", sorted((RECIPES / "augment").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_can_be_loaded(path: Path, quick: bool) -> None:
    recipe = load_recipe(path, quick=quick)
    assert isinstance(recipe, AugmentationRecipe)
    assert set(recipe.compared) >= {"none", "classical", "replace", "soft", "hard", "both"}
    assert recipe.part_names[0] == "mismatched"


def test_the_default_values_are_those_of_the_dump() -> None:
    recipe = load_recipe(MAIN)
    assert AugmentationRecipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_an_arm_says_what_it_is(tmp_path: Path) -> None:
    """By its methods, whatever its name is."""
    arms = {
        "vae": {},
        "none": {"methods": ["soft+noise"], "label": "Both"},
        "ours": {"methods": ["speed+noise", "gain"]},
        "published": {"methods": ["replace"], "role": "baseline"},
    }
    shown = [tuple(arm.shown(name)) for name, arm in load(tmp_path, arms=arms).arms.items()]
    assert shown == [
        ("vae", "No augmentation", "floor", ()),
        ("none", "Both", "ours", ()),
        ("ours", "ours", "baseline", ()),
        ("published", "published", "baseline", ()),
    ]
    with pytest.raises(ConfigError, match="role = ours: an arm without methods is the floor: leave role out"):
        load(tmp_path, arms={"none": {"role": "ours"}})

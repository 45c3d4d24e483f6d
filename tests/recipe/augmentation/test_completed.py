"""Results of before a setting of the model of speech was added are those of its default."""

from __future__ import annotations

from copy import deepcopy

from sepvae.recipe.catalogue import find_recipe
from sepvae.recipe.committed import differences
from sepvae.recipe.kinds import load_recipe


def test_what_was_added_since_has_its_default() -> None:
    recipe = load_recipe(find_recipe("augment/clean_model"))
    before = deepcopy(dict(recipe.decisive))
    del before["model"]["waves"]["scene"]
    assert differences(before, recipe.decisive) == ["model.waves.scene is missing"]
    assert differences(recipe.completed(before), recipe.decisive) == []
    before["model"]["optimiser"]["epochs"] = 1
    assert len(differences(recipe.completed(before), recipe.decisive)) == 1
    # What is no setting of a model is not made one.
    assert recipe.completed({"model": {"?": 1}}) == {"model": {"?": 1}}

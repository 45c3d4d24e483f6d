"""Recipes that measure what augmentation is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepvae.recipe.augmentation.schema import AugmentationRecipe
from sepvae.recipe.common import Finished, RecipeOptions
from sepvae.recipe.kinds import Kind
from sepvae.recipe.ledger import Ledger


class AugmentationKind(Kind[AugmentationRecipe]):
    """Augment the speech of some speakers, train recognisers, test them on others."""

    schema = AugmentationRecipe

    def run(self, recipe: AugmentationRecipe, options: RecipeOptions, ledger: Ledger) -> Finished:
        """Run each fold of the recipe."""
        from sepvae.recipe.augmentation.run import run_augmentation

        return run_augmentation(recipe, options, ledger)

    def write_page(self, results: Mapping[str, Any], folder: Path) -> None:
        """Show scores, tests, speech before and after, and the nuisance space."""
        from sepvae.recipe.augmentation.page import write_page

        write_page(results, folder)

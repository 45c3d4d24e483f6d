"""Recipes that compare systems which separate the same mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepvae.recipe.common import Finished, RecipeOptions
from sepvae.recipe.kinds import Kind
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.separation.grid import expand_grid
from sepvae.recipe.separation.schema import SeparationRecipe


class SeparationKind(Kind[SeparationRecipe]):
    """Mix, train, separate, evaluate."""

    schema = SeparationRecipe

    def expand(self, data: Mapping[str, Any], *, where: str) -> dict[str, Any]:
        """Write the cells of grids out."""
        return expand_grid(data, where=where)

    def run(self, recipe: SeparationRecipe, options: RecipeOptions, ledger: Ledger) -> Finished:
        """Run each part of the recipe."""
        from sepvae.recipe.separation.run import run_separation

        return run_separation(recipe, options, ledger)

    def write_page(self, results: Mapping[str, Any], folder: Path) -> None:
        """Show scores, tests, and the sounds of the test mixtures."""
        from sepvae.recipe.separation.page import write_page

        write_page(results, folder)

"""The page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sepvae.recipe.augmented.schema import AugmentRecipe
from sepvae.recipe.augmented.stages import Trial


def write_page(recipe: AugmentRecipe, trials: Sequence[Trial], results: Mapping[str, Any], path: Path) -> None:
    """Write."""
    path.write_text(f"{recipe} {trials} {results}")

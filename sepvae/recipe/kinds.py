"""The kinds of recipes, and how a file becomes one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe import KINDS
from sepvae.recipe.augmentation.schema import AugmentRecipe
from sepvae.recipe.separation.grid import expand_grid
from sepvae.recipe.separation.schema import Recipe
from sepvae.settings import merge, parse_override, read_mapping

# Lists of sentences and figures: what is included is added to, not replaced.
_ADDED = ("notes", "published", "hypotheses", "grid")


def compose_recipe(path: Path, *, overrides: Sequence[str], quick: bool) -> dict[str, Any]:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and expand its grid.

    Raises:
        ConfigError: a file, section, override or grid of another form than it must have.
        InputError: a file cannot be read.
    """
    data = read_mapping(path, added=_ADDED)
    quick_changes = data.pop("quick", {})
    if not isinstance(quick_changes, dict):
        raise ConfigError(f"{path}: quick = {quick_changes!r}: give a mapping of keys to values")
    if quick:
        # Quick settings of systems that a recipe does not include are of no concern to it.
        wanted = data.get("systems") or {}
        chosen = {name: value for name, value in (quick_changes.get("systems") or {}).items() if wanted.get(name)}
        data = merge(data, {**quick_changes, **({"systems": chosen} if wanted else {})})
    for text in overrides:
        data = merge(data, parse_override(text))
    return expand_grid(data, where=str(path))


def parse_recipe(data: Mapping[str, Any], *, where: str) -> Recipe | AugmentRecipe:
    """Check the mapping of a recipe, of the kind that its key `kind` names; errors as of `load_recipe`."""
    kind = cast("type[Recipe | AugmentRecipe]", KINDS.resolve(str(data.get("kind", "separation"))))
    return parse_config(kind, data, where=where)


def load_recipe(path: str | Path, *, overrides: Sequence[str] = (), quick: bool = False) -> Recipe | AugmentRecipe:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and check it.

    Raises:
        ConfigError: unknown keys, wrong types and impossible values, each named with its path.
        InputError: the file cannot be read.
    """
    return parse_recipe(compose_recipe(Path(path), overrides=overrides, quick=quick), where=str(path))

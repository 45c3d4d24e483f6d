"""What a kind of recipe is, and how a file becomes a recipe of its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from sepvae import plugins
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe import KINDS
from sepvae.recipe.catalogue import read_recipe
from sepvae.recipe.common import Finished, Recipe, RecipeOptions
from sepvae.recipe.ledger import Ledger
from sepvae.settings import merge, parse_override

R = TypeVar("R", bound=Recipe)


class Kind(ABC, Generic[R]):
    """An entry of `KINDS`; it imports what running needs when it runs."""

    schema: type[R]

    def expand(self, data: Mapping[str, Any], *, where: str) -> dict[str, Any]:  # noqa: ARG002
        """Return the mapping of a recipe as the schema takes it, with what is short for more written out."""
        return dict(data)

    @abstractmethod
    def run(self, recipe: R, options: RecipeOptions, ledger: Ledger) -> Finished:
        """Run a recipe stage by stage.

        Raises:
            ConfigError, InputError: the corpus or other folders cannot serve the recipe.
            OutputError: results cannot be written.
        """

    @abstractmethod
    def write_page(self, results: Mapping[str, Any], folder: Path) -> None:
        """Write `report.html` into the folder of a run, from `results.json` and the scores and sounds in it.

        It asks the settings of no schema, so that runs of other versions have a page too.

        Raises:
            MissingExtra: the extra `report` is not installed.
            InputError: a file is missing.
        """


def kind_of(data: Mapping[str, Any]) -> Kind[Any]:
    """Return the kind that a recipe names; ConfigError when there is none of that name."""
    kind: Kind[Any] = KINDS.resolve(str(data.get("kind", "separation")))()
    return kind


def compose_recipe(path: Path, *, overrides: Sequence[str], quick: bool) -> dict[str, Any]:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and write it out.

    Raises:
        ConfigError: a file, section, override or grid of another form than it must have.
        InputError: a file cannot be read.
    """
    data = read_recipe(path)
    try:
        plugins.check_loaded(map(str, data.get("plugins") or ()))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
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
    return kind_of(data).expand(data, where=str(path))


def load_recipe(path: str | Path, *, overrides: Sequence[str] = (), quick: bool = False) -> Recipe:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and check it.

    Raises:
        ConfigError: unknown keys, wrong types and impossible values, each named with its path.
        InputError: the file cannot be read.
    """
    data = compose_recipe(Path(path), overrides=overrides, quick=quick)
    recipe: Recipe = parse_config(kind_of(data).schema, data, where=str(path))
    return recipe

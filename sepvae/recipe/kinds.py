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
from sepvae.recipe.common import Finished, Recipe, RecipeOptions, check_mapping
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


def kind_of(data: Mapping[str, Any], *, where: str) -> Kind[Any]:
    """Return the kind that a recipe names; ConfigError when there is none of that name."""
    try:
        kind: Kind[Any] = KINDS.resolve(str(data.get("kind", "separation")))()
    except ConfigError as error:
        raise ConfigError(f"{where}: kind: {error}") from error
    return kind


def compose_recipe(path: Path, *, overrides: Sequence[str], quick: bool) -> dict[str, Any]:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and write it out.

    Raises:
        ConfigError: a file, section, override or grid of another form than it must have.
        InputError: a file cannot be read.
    """
    data, where = read_recipe(path), str(path)
    _check_plugins(data.get("plugins", []), where)
    quick_changes = check_mapping(data.pop("quick", {}), f"{where}: quick")
    if quick:
        # Quick settings of systems that a recipe does not include are of no concern to it.
        wanted = check_mapping(data.get("systems", {}), f"{where}: systems")
        changes = check_mapping(quick_changes.get("systems", {}), f"{where}: quick.systems")
        chosen = {name: value for name, value in changes.items() if wanted.get(name)}
        data = merge(data, {**quick_changes, **({"systems": chosen} if wanted else {})})
    for text in overrides:
        data = merge(data, parse_override(text))
    return kind_of(data, where=where).expand(data, where=where)


def _check_plugins(named: Any, where: str) -> None:
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(
            f"{where}: plugins = {named!r:.100}: give a list of the names of modules, such as [my_module]"
        )
    try:
        plugins.check_loaded(named)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def load_recipe(path: str | Path, *, overrides: Sequence[str] = (), quick: bool = False) -> Recipe:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and check it.

    Raises:
        ConfigError: unknown keys, wrong types and impossible values, each named with its path.
        InputError: the file cannot be read.
    """
    data = compose_recipe(Path(path), overrides=overrides, quick=quick)
    recipe: Recipe = parse_config(kind_of(data, where=str(path)).schema, data, where=str(path))
    return recipe

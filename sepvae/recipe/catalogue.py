"""The recipes that come with sepvae: their names, the files behind them, and how such a file is read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

from sepvae.errors import ConfigError
from sepvae.files import read_text, resource
from sepvae.settings import read_mapping
from sepvae.tables import unknown
from sepvae.yaml_text import parse_yaml

# What a recipe is for that does not say what it needs.
ANY_SPEECH = "speech"
# Lists of sentences, figures and choices: what is included is added to, not replaced.
_ADDED = ("notes", "published", "hypotheses", "grid", "chosen")
_ENDINGS = (".yaml", ".yml")


class Listed(NamedTuple):
    """A recipe of sepvae: its name, such as `timit/vae`, its title, and what it needs to be given, in words."""

    name: str
    title: str
    data: str


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the mapping of a recipe with what it includes; errors as of `read_mapping`."""
    return read_mapping(path, added=_ADDED)


def recipe_files() -> dict[str, Path]:
    """Return the recipes of sepvae by name. A file is a recipe when it has a title; others are parts of recipes."""
    folder = resource("recipes")
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    return {name: path for name, path in files.items() if "title" in (parse_yaml(read_text(path), str(path)) or {})}


def list_recipes() -> list[Listed]:
    """Return the recipes of sepvae, sorted by name."""
    found = {name: read_recipe(path) for name, path in recipe_files().items()}
    return [Listed(name, data["title"], data.get("data", ANY_SPEECH)) for name, data in found.items()]


def find_recipe(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with sepvae; a path that exists wins.

    Raises:
        ConfigError: there is neither; the message has the names.
    """
    path = Path(name)
    with contextlib.suppress(OSError):  # of a name that no file can have
        if path.is_file():
            return path
    known = recipe_files()
    if name in known:
        return known[name]
    if path.suffix not in _ENDINGS:
        raise ConfigError(f"{unknown('recipe', name, known)}, or give the path of a YAML file")
    # Who gives a file of the repository most likely means the recipe of that name.
    meant = name.removeprefix("recipes/").removesuffix(path.suffix)
    hint = f"did you mean {meant!r}?" if meant in known else unknown("recipe", meant, known)
    raise ConfigError(f"{name}: no such file: {hint}")

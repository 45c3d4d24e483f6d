"""Entries of the tables from somebody's own module: registered in Python, loaded by `--plugin`, never named by data."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from sepvae.errors import ConfigError
from sepvae.tables import Table, noting_providers, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")

# What can be registered, and the table that it is added to.
SHELVES: dict[str, str] = {
    "corpus": "sepvae.corpora:CORPORA",
    "model": "sepvae.models:MODELS",
    "objective": "sepvae.objectives:OBJECTIVES",
    "likelihood": "sepvae.objectives:LIKELIHOODS",
    "divergence": "sepvae.objectives:DIVERGENCES",
    "prior": "sepvae.objectives:PRIORS",
    "mask": "sepvae.estimator:MASKS",
    "algorithm": "sepvae.demixing:ALGORITHMS",
    "update": "sepvae.demixing:UPDATES",
    "measure": "sepvae.evaluation:MEASURES",
    "augmentation": "sepvae.augmentation:AUGMENTATIONS",
    "system": "sepvae.systems:SYSTEMS",
}
# Modules or files, separated as paths are.
VARIABLE = "SEPVAE_PLUGINS"

# In the order of loading: what `--plugin` was given, files by their whole path, and the name of the module.
_loaded: dict[str, str] = {}


def table(shelf: str) -> Table:
    """Return the table of a shelf; ConfigError when there is no such shelf."""
    if shelf not in SHELVES:
        raise ConfigError(unknown("shelf", shelf, SHELVES))
    module, _, name = SHELVES[shelf].partition(":")
    found: Table = getattr(importlib.import_module(module), name)
    return found


def register(shelf: str, name: str, entry: T) -> T:
    """Add an entry to a table, so that recipes, `--set` and the command line take its name.

    It has to keep the contract of its shelf, which `sepvae.testing` checks. Processes that sepvae starts know it when
    the module that registers it was loaded by `--plugin` or `load`.

    Args:
        shelf: a key of `SHELVES`.
        name: what it is called.
        entry: a class or function at the top of a module.

    Returns:
        The entry.

    Raises:
        ConfigError: another shelf, or a name that is taken.
    """
    table(shelf).register(name, entry)
    return entry


def load(plugins: Iterable[str]) -> None:
    """Load plug-ins, each once: modules by their dotted names, or files that end in `.py`.

    Raises:
        ConfigError: one cannot be found or imported; the message says why.
    """
    for given in plugins:
        # A file is the same one from any folder.
        plugin = str(Path(given).resolve()) if given.endswith(".py") else given
        if plugin in _loaded:
            continue
        try:
            module = _from_file(Path(plugin)) if plugin.endswith(".py") else importlib.import_module(plugin)
        except ConfigError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ConfigError(f"plug-in {plugin}: cannot be imported ({reason}): correct it, or its name") from error
        _loaded[plugin] = module.__name__


def _from_file(path: Path) -> ModuleType:
    name = path.stem
    if name in sys.modules:
        raise ConfigError(f"plug-in {path}: a module called {name!r} is loaded already: rename the file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"plug-in {path}: no such file: give a file that ends in .py, or the name of a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def loaded() -> tuple[str, ...]:
    """Return the plug-ins that were loaded, as `load` takes them: what another process has to load too."""
    return tuple(_loaded)


def from_environment() -> tuple[str, ...]:
    """Return the plug-ins that the environment names."""
    return tuple(name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)


def check_loaded(modules: Iterable[str]) -> None:
    """Raise ConfigError when one of some plug-in modules, as stored beside a result, is not loaded."""
    for name in modules:
        if name not in sys.modules:
            raise ConfigError(f"needs the plug-in {name}: load it by --plugin {name} (from Python: import)")


def needed_by(config: BaseModel) -> tuple[str, ...]:
    """Return the plug-in modules that have registered what a config names, sorted."""
    with noting_providers() as found:
        type(config).model_validate(config.model_dump(mode="json"))
    return tuple(sorted(found))

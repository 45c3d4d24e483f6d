"""The contracts of the tables as checks: whoever registers an entry can run them, and sepvae's own tests do.

A check takes the name of an entry, and settings under which it is small and quick::

    import pytest
    from sepvae.testing import checks

    @pytest.mark.parametrize("check", checks("model"), ids=lambda check: check.__name__)
    def test_my_network(check):
        check("gru", {"hidden": 4})

Without pytest: `sepvae.testing.run("model", "gru", {"hidden": 4})`. A file for each shelf holds its laws: each function
whose name begins with `check_`.
"""

from __future__ import annotations

import functools
import importlib
import unittest

from sepvae.errors import ConfigError
from sepvae.tables import unknown
from sepvae.testing.contract import DEFAULTS, Check, Settings, as_check

# Shelf, as of `sepvae.register` -> the file of its laws.
SUITES = {
    "corpus": "corpora",
    "model": "networks",
    "objective": "objectives",
    "likelihood": "likelihoods",
    "divergence": "divergences",
    "prior": "priors",
    "mask": "masks",
    "algorithm": "algorithms",
    "update": "updates",
    "measure": "measures",
    "augmentation": "augmentations",
    "system": "systems",
}


@functools.cache
def checks(shelf: str) -> tuple[Check, ...]:
    """Return the checks of a shelf, a key of `sepvae.plugins.SHELVES`; ConfigError when there is no such shelf."""
    if shelf not in SUITES:
        raise ConfigError(unknown("shelf", shelf, SUITES))
    suite = importlib.import_module(f"{__name__}.{SUITES[shelf]}")
    laws = [law for name, law in vars(suite).items() if name.startswith("check_") and law.__module__ == suite.__name__]
    return tuple(as_check(shelf, law) for law in laws)


def run(shelf: str, name: str, settings: Settings = DEFAULTS) -> None:
    """Run all checks of an entry, those that apply.

    Args:
        shelf: what it was registered as.
        name: what it was registered under.
        settings: of its own, under which it is small and quick.

    Raises:
        ConfigError: there is no such shelf or entry.
        ExceptionGroup: it breaks laws; the message names the checks that failed, and the errors say what came.
    """
    failed: dict[str, Exception] = {}
    for check in checks(shelf):
        try:
            check(name, settings)
        except unittest.SkipTest:
            continue
        except Exception as error:
            failed[check.__name__] = error
    if failed:
        raise ExceptionGroup(f"{shelf} {name} fails {', '.join(failed)}", list(failed.values()))

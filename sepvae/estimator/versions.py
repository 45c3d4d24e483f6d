"""Readers of the model folders of earlier versions: what their `config.json` says in the form of today's."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from sepvae.errors import ConfigError

_NEWEST = 2
# Version 1 kept the estimator's settings among those of the training.
_OF_TRAINING = ("objective", "optimiser", "waves")


def upgraded(stored: Any, *, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a stored config in the form of the newest version, and the settings of the training that it held.

    Raises:
        ConfigError: a version that is not known, plug-ins that are no names, or no config at all.
    """
    if not isinstance(stored, Mapping):
        raise ConfigError(f"{where}: holds {type(stored).__name__}, expected a JSON object")
    # They are looked at before the rest can be understood.
    modules = stored.get("plugins", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise ConfigError(f"{where}: plugins = {reprlib.repr(modules)}: expected a list of names of modules")
    version = stored.get("schema_version", 1)
    if version == _NEWEST and type(version) is int:
        return dict(stored), {}
    if version != 1 or type(version) is not int:
        raise ConfigError(
            f"{where}: schema_version = {reprlib.repr(version)}: this version of sepvae reads 1 to {_NEWEST}"
        )
    return _from_version_1(stored, where)


def _from_version_1(stored: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    training = stored.get("training", {})
    if not isinstance(training, Mapping):
        raise ConfigError(f"{where}: training = {reprlib.repr(training)}: expected a JSON object")
    estimator = {name: value for name, value in training.items() if name not in _OF_TRAINING}
    if isinstance(frontend := estimator.get("frontend", {}), Mapping):
        # It knew no other rule.
        estimator["frontend"] = {**frontend, "levels": "whole"}
    objective = training.get("objective", {})
    settings = objective.get("settings", {}) if isinstance(objective, Mapping) else {}
    likelihood = settings.get("likelihood") if isinstance(settings, Mapping) else None
    rest = {name: value for name, value in stored.items() if name not in ("schema_version", "training")}
    found = {**rest, "schema_version": _NEWEST, "estimator": estimator}
    return {**found, **({"likelihood": likelihood} if isinstance(likelihood, str) else {})}, dict(training)

"""The schema of a recipe, and how files, includes and overrides become one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation import MEASURE_NAMES
from sepvae.files import read_text
from sepvae.mixing.protocol import MixingConfig
from sepvae.systems.contract import parse_system_config

_MAX_INCLUDES = 8


class CorpusConfig(Config):
    """Where the speech comes from: `--data DIR` read as `kind` (recognised when null), or the demo corpus."""

    kind: str | None = None
    demo_speakers: int | None = Field(None, ge=4, description="synthesise a demo corpus when no --data is given")


class SystemChoice(Config):
    """A system of `sepvae.systems.SYSTEMS` and its settings."""

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the system's own config and fill in its defaults."""
        kind = info.data.get("kind", "")
        return parse_system_config(kind, settings, where=f"system {kind}").model_dump(mode="json")


class Published(Config):
    """A figure from a paper to show beside ours."""

    system: str
    measure: str
    value: float
    source: str


class EvaluationConfig(Config):
    """Which measures to take, by default all that need no noise signal, and of which sources, by default of all."""

    sources: tuple[str, ...] | None = None
    measures: tuple[str, ...] = tuple(name for name in MEASURE_NAMES if not name.startswith("snr_bsseval"))

    @field_validator("measures")
    @classmethod
    def _known(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        for name in measures:
            if name not in MEASURE_NAMES:
                close = difflib.get_close_matches(name, MEASURE_NAMES, n=1)
                raise ConfigError(
                    f"unknown measure {name!r}: {f'did you mean {close[0]!r}? ' if close else ''}"
                    f"choose from {', '.join(MEASURE_NAMES)}"
                )
        return measures


class Recipe(Config):
    """One experiment: corpus, mixtures, systems, measures and report.

    `splits` are run one after the other, the first is the main result. `quick` overrides keys for a run of seconds.
    """

    title: str
    description: str = ""
    seed: int = Field(0, ge=0)
    corpus: CorpusConfig = CorpusConfig()
    mixing: MixingConfig = MixingConfig()
    splits: tuple[Literal["speaker_seen", "speaker_open"], ...] = Field(("speaker_seen", "speaker_open"), min_length=1)
    systems: dict[str, SystemChoice] = Field(min_length=1)
    evaluation: EvaluationConfig = EvaluationConfig()
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("systems")
    @classmethod
    def _names(cls, systems: dict[str, SystemChoice]) -> dict[str, SystemChoice]:
        for name in systems:
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ConfigError(f"system name {name!r}: use letters, digits and underscores, it names files")
        return systems


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; lists and values are replaced.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
        {'a': {'x': 1, 'y': 3}}
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_mapping(path: Path, depth: int = 0) -> dict[str, Any]:
    """Read a YAML mapping and what it includes (a path beside the file, laid under it)."""
    if depth > _MAX_INCLUDES:
        raise ConfigError(f"{path}: more than {_MAX_INCLUDES} recipes include one another: remove the circle")
    try:
        data = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys to values, found {type(data).__name__}")
    included = data.pop("include", None)
    if included is None:
        return data
    if not isinstance(included, str):
        raise ConfigError(f"{path}: include = {included!r}: give the path of one recipe")
    return merge(read_mapping(path.parent / included, depth + 1), data)


def parse_override(text: str) -> dict[str, Any]:
    """Turn `a.b=value`, the value being YAML, into a nested mapping.

    Raises:
        ConfigError: no `=`, an empty key, or a value that is not YAML.

    Example:
        >>> parse_override("systems.vae.settings.optimiser.epochs=3")["systems"]["vae"]["settings"]["optimiser"]
        {'epochs': 3}
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {text}: write it as key=value, such as seed=1 or mixing.n_test=10")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not valid YAML: {error}") from error
    for key in reversed(keys):
        parsed = {key: parsed}
    return dict(parsed)


def load_recipe(path: str | Path, *, overrides: Sequence[str] = (), quick: bool = False) -> Recipe:
    """Read a recipe, lay its `quick` section (when asked for) and the overrides over it, and check it.

    Raises:
        ConfigError: unknown keys, wrong types and impossible values, each named with its path.
        InputError: the file cannot be read.
    """
    data = read_mapping(Path(path))
    quick_changes = data.pop("quick", {})
    if not isinstance(quick_changes, dict):
        raise ConfigError(f"{path}: quick = {quick_changes!r}: give a mapping of keys to values")
    if quick:
        data = merge(data, quick_changes)
    for text in overrides:
        data = merge(data, parse_override(text))
    return parse_config(Recipe, data, where=str(path))

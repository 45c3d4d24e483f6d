"""One way to choose (a kind with its settings), to compose (files, presets, includes, `--set`), and to give ranges."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator, model_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.files import read_text
from sepvae.limits import Decibels, Hertz, Metres, Seconds, Share
from sepvae.presets import preset_names
from sepvae.tables import Table, unknown
from sepvae.yaml_text import MAX_DEPTH, MAX_YAML_BYTES, check_values, parse_yaml

C = TypeVar("C", bound=BaseModel)

# Files that lead to one another, and all that are read for one, those that are included twice counted twice.
_MAX_INCLUDES, _MAX_FILES = 8, 200
# Keys beside `kind` that belong to it.
_OF_KIND = ("settings", "label", "role")
# What a choice that is made by its name alone can be given.
_BESIDE_NAME = {*_OF_KIND, "seeds"}
# What the rest of a preset goes with.
_CHOICES = ("model", "objective")


class Choice(Config):
    """An entry of a table with its settings, `{kind: dense_vae, settings: {latent: 64}}`, or its name alone.

    A subclass names its `table`, whose entries are classes with a `Config` of their own. The settings are checked
    against it, and its defaults filled in.
    """

    table: ClassVar[Table]

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if not isinstance(value, (str, Mapping, cls)):
            raise ConfigError(f"received {reprlib.repr(value)}: give the name of one, or kind and settings")
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return cls.table.check(kind)

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the entry's own config and fill in its defaults."""
        if (kind := info.data.get("kind")) is None:
            return settings
        return cls._parse(kind, settings).model_dump(mode="json")

    @classmethod
    def of(cls, kind: str, settings: Mapping[str, Any] | None = None) -> Self:
        """Return a choice from Python; ConfigError names an unknown kind, key or impossible value."""
        cls._parse(cls.table.check(kind), settings or {})
        return cls(kind=kind, settings=dict(settings or {}))

    @classmethod
    def _parse(cls, kind: str, settings: Mapping[str, Any]) -> Config:
        own: type[Config] = cls.table.resolve(kind).Config
        return parse_config(own, settings, where=f"{cls.table.what} {kind}")

    @property
    def entry(self) -> Any:
        """What the kind stands for."""
        return self.table.resolve(self.kind)

    def config(self) -> Config:
        """Return the typed config of the entry."""
        return self._parse(self.kind, self.settings)

    def with_settings(self, **changes: Any) -> Self:
        """Return the choice with some of its settings changed."""
        return self.model_copy(update={"settings": {**self.settings, **changes}})


def _pair(value: Any) -> Any:
    """Return two numbers as they are, and a single one as the range that holds only it."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return value
    try:
        number = float("not a number" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ConfigError(f"received {reprlib.repr(value)}: give a number, or two: [low, high]") from None
    return (number, number)


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ConfigError(f"the range {value[0]:g} to {value[1]:g} is upside down: give the smaller number first")
    return value


# Two numbers that are drawn between, the smaller first, or one that stands for both.
SecondsRange = Annotated[tuple[Seconds, Seconds], BeforeValidator(_pair), AfterValidator(_ordered)]
MetresRange = Annotated[tuple[Metres, Metres], BeforeValidator(_pair), AfterValidator(_ordered)]
HertzRange = Annotated[tuple[Hertz, Hertz], BeforeValidator(_pair), AfterValidator(_ordered)]
DecibelRange = Annotated[tuple[Decibels, Decibels], BeforeValidator(_pair), AfterValidator(_ordered)]
ShareRange = Annotated[tuple[Share, Share], BeforeValidator(_pair), AfterValidator(_ordered)]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; lists and values are replaced.

    A choice whose kind changes loses its settings, and what a page calls it: they belong to the kind. One that is made
    by its name alone can be given settings, and what else stands beside a kind.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
        {'a': {'x': 1, 'y': 3}}
        >>> merge({"model": {"kind": "vae", "settings": {"latent": 8}}}, {"model": {"kind": "gan"}})
        {'model': {'kind': 'gan'}}
        >>> merge({"model": "vae"}, {"model": {"settings": {"latent": 8}}})
        {'model': {'kind': 'vae', 'settings': {'latent': 8}}}
    """
    merged = dict(base)
    if "kind" in base and "kind" in changes and base["kind"] != changes["kind"]:
        merged = {key: value for key, value in base.items() if key not in _OF_KIND}
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, str) and isinstance(value, Mapping) and value and set(value) <= _BESIDE_NAME:
            old = {"kind": old}
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a value under keys within keys.

    Example:
        >>> nested(["a", "b"], 1)
        {'a': {'b': 1}}
    """
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


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
    if len(keys) > MAX_DEPTH:
        raise ConfigError(f"--set {text[:40]}…: is {len(keys)} levels deep: no setting is")
    return nested(keys, parse_yaml(value, f"--set {text:.200}"))


def preset(name: str) -> dict[str, Any]:
    """Return the settings of a preset.

    Raises:
        ConfigError: there is none of that name; the message lists them.
    """
    if name not in (known := preset_names()):
        raise ConfigError(unknown("preset", name, known))
    with resources.as_file(resources.files("sepvae.presets").joinpath(f"{name}.yaml")) as path:
        return read_mapping(path)


def read_mapping(path: Path, *, added: Collection[str] = ()) -> dict[str, Any]:
    """Read a YAML mapping and what it includes, laid under it one over the other.

    An entry of `include` is a path beside the file, or a mapping of `file`, a path, or `preset`, a name, and `at`, a
    list of keys that its content is put under, such as `systems.mvae.settings.training`.

    Args:
        path: of the file.
        added: keys of lists, such as notes, that what is included is added to and not replaced by.

    Raises:
        ConfigError: not a mapping, not YAML, or includes in a circle or more of them than anybody writes.
        InputError: a file cannot be read.
    """
    return _Reading(added).read(path, 0)


class _Reading:
    """The reading of a file with what it includes: how many files it was so far."""

    def __init__(self, added: Collection[str]) -> None:
        self._added, self._n_files = added, 0

    def read(self, path: Path, depth: int) -> dict[str, Any]:
        """Return the mapping of a file that so many others lead to."""
        self._n_files += 1
        if depth > _MAX_INCLUDES:
            raise ConfigError(f"{path}: more than {_MAX_INCLUDES} files include one another: remove the circle")
        if self._n_files > _MAX_FILES:
            raise ConfigError(f"{path}: is file {self._n_files} of those that are included: include each once")
        data = parse_yaml(read_text(path, most_bytes=MAX_YAML_BYTES), str(path))
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: holds {type(data).__name__}, expected a mapping of keys to values")
        included = data.pop("include", [])
        entries = included if isinstance(included, list) else [included]
        merged: dict[str, Any] = {}
        for part in (*(content for entry in entries for content in self._included(path, entry, depth)), data):
            merged = _lay_over(merged, part, self._added)
        check_values(merged, f"{path} with what it includes")
        return merged

    def _included(self, path: Path, entry: Any, depth: int) -> list[dict[str, Any]]:
        """Return what an entry of `include` gives: the content of a file, or that content under each of some keys."""
        if isinstance(entry, str):
            return [self.read(path.parent / entry, depth + 1)]
        if not _is_placed(entry):
            raise ConfigError(
                f"{path}: include = {entry!r:.100}: give the path of a file, a list of paths, or file (or preset) and "
                "a list of keys, at"
            )
        content = preset(entry["preset"]) if "preset" in entry else self.read(path.parent / entry["file"], depth + 1)
        return [nested(keys.split("."), content) for keys in entry["at"]]


def _is_placed(entry: Any) -> bool:
    """Return whether an entry of `include` names a file or preset, and the keys that it is put under."""
    if not isinstance(entry, dict) or set(entry) not in ({"file", "at"}, {"preset", "at"}):
        return False
    name, places = entry.get("file", entry.get("preset")), entry["at"]
    whole = isinstance(name, str) and isinstance(places, list) and bool(places)
    return whole and all(isinstance(p, str) and all(p.split(".")) and p.count(".") < MAX_DEPTH for p in places)


def _lay_over(base: Mapping[str, Any], part: Mapping[str, Any], added: Collection[str]) -> dict[str, Any]:
    """Merge a file over what it includes, adding to the lists that are added to."""
    merged = merge(base, part)
    for key in added:
        if isinstance(base.get(key), list) and isinstance(part.get(key), list):
            merged[key] = [*base[key], *(entry for entry in part[key] if entry not in base[key])]
    return merged


def compose(
    config_class: type[C],
    *,
    base: Mapping[str, Any] | None = None,
    usual: Mapping[str, Any] | None = None,
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> C:
    """Return the config that a file, options of the command line and overrides give, laid over each other and a base.

    Args:
        config_class: what is composed.
        base: lies under everything.
        usual: the base where none is given; it is left out when a choice in it is made otherwise, for it belongs to it.
        file: YAML, with what it includes.
        options: come over the file.
        overrides: as of `parse_override`, come last.
        names: of the options, by the keys with dots that they stand for.

    Raises:
        ConfigError: unknown keys, wrong types and impossible values, each named with its path and where it was given.
        InputError: the file cannot be read.
    """
    of_file = read_mapping(file) if file else {}
    data, changed = merge(of_file, options or {}), dict[str, Any]()
    for text in overrides:
        changed = merge(changed, parse_override(text))
        data = merge(data, parse_override(text))
    if base is None and usual is not None and not _chooses_otherwise(data, usual):
        base = usual
    data = merge(base or {}, data)

    def where(name: str) -> str:
        own = {key: option for key, option in (names or {}).items() if _has(options or {}, key)}
        given = [option for key, option in own.items() if _touch(key, name) and _has(options or {}, name)]
        if _has(changed, name):
            given.append("--set")
        if not given and not _has(of_file, name):
            given = [option for key, option in (names or {}).items() if key == name]
        return ", ".join(given) or str(file or "--set")

    return parse_config(config_class, data, where=where)


def _touch(one: str, other: str) -> bool:
    """Return whether one of two keys with dots is in the other, or is the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _has(data: Mapping[str, Any], name: str) -> bool:
    """Return whether a mapping has a key with dots, or something that the key would be in."""
    value: Any = data
    for key in name.split("."):
        if not isinstance(value, Mapping):
            return True
        if key not in value:
            return False
        value = value[key]
    return True


def _chooses_otherwise(data: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Return whether a mapping makes a choice that another one makes too, of another kind."""
    for key, own in usual.items():
        found = data.get(key)
        if isinstance(own, Mapping) and "kind" in own:
            kind = found.get("kind") if isinstance(found, Mapping) else found
            if kind is not None and kind != own["kind"] and key in _CHOICES:
                return True
    return False

"""Every number of every `Config` has both bounds, and every list a length: what a file may ask for is finite."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest
from pydantic import Field

import sepvae
from sepvae.config import Config

_LOWER, _UPPER = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")


def config_classes() -> list[type[Config]]:
    """Return every config class of the package, those of tests and plug-ins aside."""
    for module in pkgutil.walk_packages(sepvae.__path__, "sepvae."):
        # Programs that run when they are imported.
        if module.name not in ("sepvae.__main__", "sepvae.corpora.espeak_worker"):
            importlib.import_module(module.name)

    def below(parent: type[Config]) -> Iterator[type[Config]]:
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    found = {one for one in below(Config) if one.__module__.startswith("sepvae.")}
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def _is_of_numbers(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema is of numbers, or of lists or alternatives of them."""
    parts = [schema.get("items"), *schema.get("prefixItems", ()), *schema.get("anyOf", ())]
    return schema.get("type") in ("integer", "number") or any(_is_of_numbers(part) for part in parts if part)


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """Yield where in a JSON schema a number has no lower or no upper bound, or numbers stand in an endless list."""
    if isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from unbounded(part, f"{path}[{number}]")
    if not isinstance(schema, Mapping):
        return
    if schema.get("type") in ("integer", "number") and not {"const", "enum"} & set(schema):
        yield from (f"{path}: {sides[0]}" for sides in (_LOWER, _UPPER) if not set(sides) & set(schema))
    if schema.get("type") == "array" and "maxItems" not in schema and _is_of_numbers(schema["items"]):
        yield f"{path}: maxItems"
    for key, part in schema.items():
        # What a default or an example is says nothing of what is allowed.
        if key not in ("default", "examples", "description", "title"):
            yield from unbounded(part, f"{path}.{key}")


CLASSES = config_classes()


def test_the_classes_are_found() -> None:
    wanted = {"Source", "Mixture", "Scene", "NmfConfig", "OptimiserConfig", "ConvTasNetConfig", "SeparationRecipe"}
    assert wanted <= {one.__name__ for one in CLASSES}
    assert len(CLASSES) > 80


@pytest.mark.parametrize("config", CLASSES, ids=lambda one: f"{one.__module__}.{one.__qualname__}")
def test_every_number_is_bounded_where_it_is_declared(config: type[Config]) -> None:
    assert list(unbounded(config.model_json_schema(mode="validation"))) == []


def test_what_has_no_bounds_is_found() -> None:
    class Loose(Config):
        one: int
        two: float | None = Field(None, ge=0)
        three: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
        four: dict[str, tuple[int, int]] = Field(default_factory=dict)
        good: int = Field(3, ge=0, lt=5)

    found = {line.split(".")[2].split(":")[0]: line for line in unbounded(Loose.model_json_schema())}
    assert set(found) == {"one", "two", "three", "four"}

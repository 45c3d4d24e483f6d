"""The base of all configurations, and validation whose messages name the path of the offending key."""

from __future__ import annotations

import difflib
import reprlib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sepvae.errors import ConfigError


class Config(BaseModel):
    """A small typed configuration beside its component: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


C = TypeVar("C", bound=BaseModel)


def _known_keys(config_class: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Return the keys allowed beside the last part of `path`, as far as nested configs can be followed."""
    current: Any = config_class
    for part in path[:-1]:
        annotation = current.model_fields[part].annotation if part in getattr(current, "model_fields", {}) else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        current = annotation
    return list(current.model_fields)


def parse_config(config_class: type[C], data: Any, *, where: str) -> C:
    """Validate `data` as a `config_class`.

    Args:
        where: what the data is, for the message, such as a recipe's file name or `model`.

    Raises:
        ConfigError: every unknown key, wrong type and impossible value, each with its path.
    """
    try:
        return config_class.model_validate(data)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            path = problem["loc"]
            name = ".".join(str(part) for part in path) or "(top level)"
            if problem["type"] == "extra_forbidden":
                known = _known_keys(config_class, path)
                close = difflib.get_close_matches(str(path[-1]), known, n=1)
                choices = f": known keys are {', '.join(known)}" if known else ""
                advice = f": did you mean {close[0]!r}?" if close else choices
                lines.append(f"{where}: unknown key {name!r}{advice}")
            elif isinstance(cause := problem.get("ctx", {}).get("error"), ConfigError):
                lines.append(f"{where}: {name}: {cause}")
            elif problem["type"] == "missing":
                lines.append(f"{where}: key {name!r} is missing")
            else:
                lines.append(f"{where}: {name} = {reprlib.repr(problem['input'])}: {problem['msg']}")
        raise ConfigError("\n".join(lines)) from error

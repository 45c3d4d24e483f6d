"""The base of all configurations, and validation whose messages name the path of the offending key."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from sepvae.errors import ConfigError

_LIST, _MAPPING = "give a list, such as [a, b]", "give keys with their values"
_WHOLE, _NUMBER, _TRUTH = "give a whole number", "give a number", "give true or false"
# What to do about a value, in words of ours, by the type of the error that pydantic finds and with what it knows of it.
_ADVICE = {
    **dict.fromkeys(("tuple_type", "list_type", "set_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _MAPPING),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _TRUTH),
    "string_type": "give text",
    "invalid_key": "a key is text",
    "finite_number": "give a finite number",
    "greater_than": "give a number above {gt}",
    "greater_than_equal": "give {ge} or more",
    "less_than": "give a number below {lt}",
    "less_than_equal": "give {le} or less",
    "literal_error": "give {expected}",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
}


class Config(BaseModel):
    """A small typed configuration beside its component: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


C = TypeVar("C", bound=BaseModel)


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, but None."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part)]
    return [] if annotation is NoneType else [annotation]


def _inside(kind: Any, part: int | str) -> Any:
    """Return the annotation of a part of a type: a field, a value or an element; None where it has none."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields[str(part)].annotation if part in kind.model_fields else None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(part, int) and arguments[-1] is not Ellipsis:
        return arguments[part] if part < len(arguments) else None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return arguments[1]
    return arguments[0] if isinstance(origin, type) and issubclass(origin, Sequence) else None


def _follow(config_class: type[BaseModel], path: Sequence[int | str]) -> Iterator[tuple[int | str, Any]]:
    """Yield the parts of the path of an error, and the type that each is in.

    Before what is in one type of several comes, in pydantic's paths, the name of that type, which is no key.
    """
    kinds: list[Any] = [config_class]
    for part in path:
        if len(kinds) > 1:
            kinds = [one for one in kinds if str(part).startswith((get_origin(one) or one).__name__)][:1]
        else:
            yield part, (kind := kinds[0] if kinds else None)
            kinds = _alternatives(_inside(kind, part))


def _describe(problem: ErrorDetails, name: str, known: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong with a key, and what to do."""
    kind, context = problem["type"], problem.get("ctx", {})
    above, _, last = name.rpartition(".")
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(last, known, n=1)
        choices = f"known keys are {', '.join(known)}" if known else ""
        return f"unknown key {name!r}", f"did you mean {close[0]!r}?" if close else choices
    if isinstance(cause := context.get("error"), ConfigError):
        return name, str(cause)
    if kind == "missing":
        return (f"{above}", f"value {int(last) + 1} is missing") if last.isdigit() else (f"key {name!r} is missing", "")
    # Whole numbers with all of their digits, others as people write them.
    shown = {key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()}
    advice = _ADVICE[kind].format(**shown) if kind in _ADVICE else problem["msg"]
    if advice == _MAPPING and known:
        advice = f"{_MAPPING}: {', '.join(known)}"
    return f"{name} = {reprlib.repr(problem['input'])}", advice


def parse_config(config_class: type[C], data: Any, *, where: str | Callable[[str], str]) -> C:
    """Validate `data` as a `config_class`.

    Args:
        config_class: what it is to be.
        data: keys with their values.
        where: what the data is, for the message, such as a recipe's file name or `model`; or what says, of a key with
            dots, where its value was given.

    Raises:
        ConfigError: every unknown key, wrong type and impossible value, each with its path.
    """
    if with_nul := next(_keys_with_nul(data), None):
        place = where if isinstance(where, str) else where(with_nul)
        raise ConfigError(f"{place}: {with_nul}: holds a NUL, which no name and no path does: take it out")
    try:
        return config_class.model_validate(data)
    except ValidationError as error:
        # Of a value that may be of several types, one line says why it is none of them.
        found: dict[str, list[str]] = {}
        problems = error.errors()
        for problem in problems:
            if problem["type"] == "too_short" and _is_above(problem["loc"], problems):
                # What is wrong with its elements is said.
                continue
            steps = list(_follow(config_class, problem["loc"]))
            name = ".".join(str(part) for part, _ in steps) or "(top level)"
            what, advice = _describe(problem, name, _known_keys(config_class, steps, problem["type"]))
            place = where if isinstance(where, str) else where(name)
            found.setdefault(f"{place}: {what}", []).append(advice)
        lines = (f"{what}: {_either(advice)}".removesuffix(": ") for what, advice in found.items())
        raise ConfigError("\n".join(lines)) from error


def _keys_with_nul(data: Any) -> Iterator[str]:
    """Yield the dotted keys of texts, and of keys, that hold a NUL: no system call takes one."""
    waiting: list[tuple[str, Any]] = [("", data)]
    # YAML can put a list into itself, or twice into each of a hundred others.
    seen: set[int] = set()
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, Mapping | list | tuple):
            if id(value) in seen:
                continue
            seen.add(id(value))
        if isinstance(value, Mapping):
            waiting += [(f"{key}.{name}".lstrip("."), part) for name, part in value.items()]
            waiting += [(repr(name), name) for name in value]
        elif isinstance(value, list | tuple):
            waiting += [(f"{key}.{place}".lstrip("."), part) for place, part in enumerate(value)]
        elif isinstance(value, str) and "\0" in value:
            yield key


def _is_above(path: Sequence[int | str], problems: Sequence[ErrorDetails]) -> bool:
    return any(tuple(path) == other["loc"][: len(path)] != other["loc"] for other in problems)


def _either(advice: Sequence[str]) -> str:
    first, *others = dict.fromkeys(advice)
    return ", or ".join([first, *(other.removeprefix("give ") for other in others)])


def _known_keys(config_class: type[BaseModel], steps: Sequence[tuple[int | str, Any]], error: str) -> list[str]:
    """Return the keys allowed beside an unknown one, or of a config that something else stands in the place of."""
    kind: Any = config_class
    if steps:
        part, above = steps[-1]
        kinds = [above] if error == "extra_forbidden" else _alternatives(_inside(above, part))
        kind = kinds[0] if len(kinds) == 1 else None
    return [*kind.model_fields] if isinstance(kind, type) and issubclass(kind, BaseModel) else []

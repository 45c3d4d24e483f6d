"""YAML as data of a size that a person writes: what is deep, endless or grows by aliases is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from sepvae.errors import ConfigError

# A recipe with all that it includes has some thousand values in a dozen levels.
MAX_CHARACTERS, MAX_VALUES, MAX_DEPTH = 200_000, 50_000, 40
MAX_YAML_BYTES = 4 * MAX_CHARACTERS
# What follows as text from a number of more digits is another number, or an error of Python's.
_MAX_BITS = 64
_SHORTER = "is this the file that you mean? Write less, or in several files"


class _Loader(yaml.SafeLoader):
    """YAML's safe types, without a key that is given twice: the second would silently replace the first."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Return the node of a mapping."""
        node = super().compose_mapping_node(anchor)
        seen = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of some YAML, of no more than `MAX_VALUES` values once its aliases are written out.

    Args:
        text: YAML.
        where: what it is, for messages, such as the name of a file.

    Raises:
        ConfigError: it is not YAML, or is larger or deeper than what a person writes.

    Example:
        >>> parse_yaml("a: [1, 2]", "here")
        {'a': [1, 2]}
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{where}: has {len(text)} characters, at most {MAX_CHARACTERS} are read: {_SHORTER}")
    try:
        loader = _Loader(text)
        try:
            value: Any = loader.get_single_data()
        finally:
            loader.dispose()
    except RecursionError:
        raise ConfigError(f"{where}: is nested more than {MAX_DEPTH} levels deep: {_SHORTER}") from None
    # ValueError: a day that no calendar has, or a number of thousands of digits, on which Python advises programmers.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = "a number of thousands of digits" if "set_int_max_str_digits" in str(error) else error
        raise ConfigError(f"{where}: not valid YAML: {reason}") from error
    # TypeError and AttributeError: tags of YAML on values of another kind, such as !!timestamp on a word.
    except (TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"{where}: not valid YAML: a tag that its value does not have") from error
    check_values(value, where)
    return value


def check_values(value: Any, where: str) -> int:
    """Return how many values are in a value, itself and what is in it twice counted.

    Raises:
        ConfigError: there are more than `MAX_VALUES`, they are deeper than `MAX_DEPTH`, a value contains itself, or a
            whole number has more than 64 bits.
    """
    # What is in several places, as by aliases, is looked at once: its size is known.
    sizes: dict[int, int] = {}

    def size_of(one: Any, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise ConfigError(f"{where}: is nested more than {MAX_DEPTH} levels deep: {_SHORTER}")
        if isinstance(one, int) and one.bit_length() > _MAX_BITS:
            raise ConfigError(f"{where}: holds a number of {one.bit_length()} bits: give one of at most {_MAX_BITS}")
        if not isinstance(one, (Mapping, list, tuple, set)):
            return 1
        if id(one) in sizes:
            if not sizes[id(one)]:
                raise ConfigError(f"{where}: holds a value that contains itself (an alias within its anchor)")
            return sizes[id(one)]
        sizes[id(one)] = 0
        parts = [*one.keys(), *one.values()] if isinstance(one, Mapping) else one
        total = 1 + sum(size_of(part, depth + 1) for part in parts)
        if total > MAX_VALUES:
            raise ConfigError(f"{where}: holds more than {MAX_VALUES} values, its aliases written out: {_SHORTER}")
        sizes[id(one)] = total
        return total

    return size_of(value, 0)

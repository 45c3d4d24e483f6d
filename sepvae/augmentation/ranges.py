"""Ranges that settings draw from: two numbers, or one that stands for both."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from sepvae.errors import ConfigError


def _pair(value: Any) -> Any:
    """Return a single number as the range that holds only it."""
    return (value, value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ConfigError(f"the range {value[0]:g} to {value[1]:g}: give the smaller number first")
    return value


def _share(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] < 0 or value[1] > 1:
        raise ConfigError(f"the range {value[0]:g} to {value[1]:g}: shares lie between 0 and 1")
    return value


Range = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_ordered)]
ShareRange = Annotated[Range, AfterValidator(_share)]

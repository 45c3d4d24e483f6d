"""Messages about configurations: every mistake at once, each with its path and what would be right."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.tables import Table


class Window(Config):
    """A nested part."""

    window_ms: float = Field(16, gt=0)
    kind: Literal["hann", "hamming"] = "hann"


class Settings(Config):
    """A config as components have them."""

    seed: int
    window: Window = Window()
    layers: list[int] = Field(default_factory=list)

    @field_validator("layers")
    @classmethod
    def check_layers(cls, layers: list[int]) -> list[int]:
        if any(layer < 1 for layer in layers):
            raise ConfigError(f"layers are positive, received {layers}")
        return layers


def message(data: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(Settings, data, where="a.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"sead": 1, "seed": 1}, "a.yaml: unknown key 'sead': did you mean 'seed'?"),
        ({"seed": 1, "xyz": 1}, "a.yaml: unknown key 'xyz': known keys are seed, window, layers"),
        ({"seed": 1, "window": {"windows_ms": 1}}, "unknown key 'window.windows_ms': did you mean 'window_ms'?"),
        ({"seed": 1, "window": {"window_ms": 0}}, "a.yaml: window.window_ms = 0: Input should be greater than 0"),
        ({"seed": 1, "window": {"window_ms": float("nan")}}, "window.window_ms = nan: Input should be a finite number"),
        ({"seed": 1, "window": {"kind": "han"}}, "window.kind = 'han': Input should be 'hann' or 'hamming'"),
        ({"seed": 1, "layers": [3, 0]}, "a.yaml: layers: layers are positive, received [3, 0]"),
        ({"seed": 1, "layers": [3, "x"]}, "a.yaml: layers.1 = 'x': Input should be a valid integer"),
        ({}, "a.yaml: key 'seed' is missing"),
        (None, "a.yaml: (top level) = None: Input should be a valid dictionary"),
        ([1], "a.yaml: (top level) = [1]: Input should be a valid dictionary"),
        ({"seed": "x" * 10_000}, "a.yaml: seed = 'xxxx"),
    ],
)
def test_every_mistake_names_its_path(data: Any, words: str) -> None:
    found = message(data)
    assert words in found and len(found) < 300


def test_all_mistakes_are_told_at_once() -> None:
    assert len(message({"sed": 1, "window": {"kind": 3}, "layers": None}).splitlines()) == 4


def test_configs_cannot_be_changed_and_survive_a_round_trip() -> None:
    config = parse_config(Settings, {"seed": 3, "window": {"window_ms": 32}, "layers": [4, 2]}, where="a.yaml")
    assert parse_config(Settings, config.model_dump(mode="json"), where="again") == config
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 4  # type: ignore[misc]


def test_a_list_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "layers" in message({"seed": 1, "layers": loop})


def test_names_outside_a_table_are_refused_with_the_closest() -> None:
    table = Table("function", {"square_root": "math:sqrt", "sine": "math:sin"})
    assert table.resolve("sine")(0) == 0
    with pytest.raises(
        ConfigError, match=r"unknown function 'sin': did you mean 'sine'\? choose one of square_root, s"
    ):
        table.resolve("sin")
    with pytest.raises(ConfigError, match=r"unknown function 'os:system': choose one of square_root, sine"):
        table.resolve("os:system")

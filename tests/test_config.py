"""Messages about configurations: every mistake at once, each with its path and what would be right."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.settings import DecibelRange
from sepvae.tables import Table
from sepvae.yaml_text import parse_yaml


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
        ({"seed": 1, "window": {"window_ms": 0}}, "a.yaml: window.window_ms = 0: give a number above 0"),
        ({"seed": 1, "window": {"window_ms": float("nan")}}, "window.window_ms = nan: give a finite number"),
        ({"seed": 1, "window": {"kind": "han"}}, "window.kind = 'han': give 'hann' or 'hamming'"),
        ({"seed": 1, "layers": [3, 0]}, "a.yaml: layers: layers are positive, received [3, 0]"),
        ({"seed": 1, "layers": [3, "x"]}, "a.yaml: layers.1 = 'x': give a whole number"),
        ({}, "a.yaml: key 'seed' is missing"),
        (None, "a.yaml: (top level) = None: give keys with their values: seed, window"),
        ([1], "a.yaml: (top level) = [1]: give keys with their values"),
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


class Room(Config):
    """A part that may be left out."""

    size_m: tuple[float, float] = (1.0, 1.0)


class Wide(Config):
    """A config with values of several types."""

    room: Room | None = None
    speakers: Annotated[int, Field(ge=1)] | tuple[str, ...] = 1
    levels: tuple[DecibelRange, ...] = Field((), min_length=1)
    by_name: dict[str, Room] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"room": {"sise_m": 1}}, "a.yaml: unknown key 'room.sise_m': did you mean 'size_m'?"),
        ({"room": {"x": 1}}, "a.yaml: unknown key 'room.x': known keys are size_m"),
        ({"room": 3}, "a.yaml: room = 3: give keys with their values: size_m"),
        ({"room": {"size_m": [1]}}, "a.yaml: room.size_m: value 2 is missing"),
        ({"room": {"size_m": [1, 2, 3]}}, "a.yaml: room.size_m = [1, 2, 3]: give at most 2"),
        ({"speakers": {}}, "a.yaml: speakers = {}: give a whole number, or a list, such as [a, b]"),
        ({"speakers": [3]}, "a.yaml: speakers.0 = 3: give text"),
        ({"levels": ["x"]}, "a.yaml: levels.0: received 'x': give a number, or two: [low, high]"),
        ({"levels": [[1, 2, 3]]}, "a.yaml: levels.0: received [1, 2, 3]: give a number, or two: [low, high]"),
        ({"levels": [True]}, "a.yaml: levels.0: received True: give a number, or two: [low, high]"),
        ({"by_name": {"a": {"x": 1}}}, "a.yaml: unknown key 'by_name.a.x': known keys are size_m"),
        ({"by_name": {1: {}}}, "a.yaml: by_name.1"),
    ],
)
def test_values_of_several_types_are_told_in_plain_words(data: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(Wide, data, where="a.yaml")
    assert words in str(caught.value)
    for word in ("Input", "tuple", "dictionary", "instance", "constrained", "should", "function-"):
        assert word not in str(caught.value)


def test_a_range_of_one_number() -> None:
    assert parse_config(Wide, {"levels": [3, "1e1", [1, 2]]}, where="a").levels == ((3, 3), (10, 10), (1, 2))


def test_a_nul_is_refused_wherever_it_stands_and_circles_end() -> None:
    for data, key in (
        ({"seed": "a\0"}, "seed"),
        ({"seed": 1, "window": {"kind": "\0"}}, "window.kind"),
        ({"seed": 1, "layers": [1, "a\0b"]}, "layers.1"),
        ({"seed": 1, "a\0": 1}, "'a\\x00'"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_config(Settings, data, where="x.yaml")
        assert str(caught.value) == f"x.yaml: {key}: holds a NUL, which no name and no path does: take it out"
    circle: list[Any] = [1]
    circle.append(circle)
    with pytest.raises(ConfigError, match=r"layers.1"):
        parse_config(Settings, {"seed": 1, "layers": circle}, where="x.yaml")
    doubled: list[Any] = [1]
    for _ in range(200):
        doubled = [doubled, doubled]
    with pytest.raises(ConfigError):
        parse_config(Settings, {"seed": doubled}, where="x.yaml")


def test_a_key_that_is_given_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"f\.yaml: not valid YAML: the key 'n_train' is given twice\n.*line 3"):
        parse_yaml("n_train: 1\nseed: 0\nn_train: 2\n", "f.yaml")
    merged = "a: &base {x: 1, y: 2}\nb: {<<: *base, x: 3}\nc: {<<: [*base, {z: 4}], y: 5}\n"
    assert parse_yaml(merged, "f.yaml")["b"] == {"x": 3, "y": 2}
    assert parse_yaml(merged, "f.yaml")["c"] == {"x": 1, "y": 5, "z": 4}

"""What `sepvae train` trains: its own default, unless a model or an objective is chosen."""

from __future__ import annotations

import itertools
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.cli import main
from sepvae.cli.arguments import flat, read_settings
from sepvae.config import Config, parse_config
from sepvae.enhancement.config import EnhancementConfig
from sepvae.mixing.config import MixingConfig
from sepvae.settings import compose, preset
from sepvae.training.config import TrainingConfig


def read(tmp_path: Path, file: dict[str, Any] | None, *overrides: str) -> TrainingConfig:
    path = None
    if file is not None:
        path = tmp_path / "settings.yaml"
        path.write_text(yaml.safe_dump(file), encoding="utf-8")
    return read_settings(
        Namespace(config=path, overrides=list(overrides)), TrainingConfig, usual=preset("temporal_vae")
    )


@pytest.mark.parametrize(
    ("file", "overrides"),
    [
        (None, ("optimiser.kind=adamw",)),
        (None, ("frontend.target.kind=power", "waves.speed=0")),
        ({"optimiser": {"epochs": 2}}, ()),
    ],
)
def test_a_setting_leaves_the_default_model_in_place(
    tmp_path: Path, file: dict[str, Any] | None, overrides: tuple[str, ...]
) -> None:
    config = read(tmp_path, file, *overrides)
    assert (config.model.kind, config.objective.kind, config.mask) == ("temporal_vae", "wave_sdr", "wiener")
    assert (config.frontend.stft.window_ms, config.optimiser.learning_rate) == (64, 0.002)


@pytest.mark.parametrize(
    ("file", "overrides"), [(None, ("model.kind=dense_vae",)), ({"model": {"kind": "dense_vae"}}, ())]
)
def test_another_model_has_its_own_defaults(
    tmp_path: Path, file: dict[str, Any] | None, overrides: tuple[str, ...]
) -> None:
    assert read(tmp_path, file, *overrides) == TrainingConfig()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "replaced"], "--methods: methods: unknown augmentation 'replaced': did you mean 'replace'?"),
        ([], "--methods: methods: none is given"),
        (["--methods", "gain", "--copies", "0"], "--copies: copies = 0: give 1 or more"),
        (["--methods", "gain", "--copies", "2", "--set", "copies=0"], "--copies, --set: copies = 0"),
        (["--methods", "gain", "--set", "seed=x"], "--set: seed = 'x': give a whole number"),
        (["--methods", "gain", "--set", "output.n_mels=x"], "--set: output.n_mels = 'x': give a whole number"),
        (["--methods", "gain", "--contents", "samples", "--format", "ark"], "--format, --contents: output: contents"),
    ],
)
def test_a_mistake_in_an_option_names_it(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["augment", "run", "CORPUS", "-o", str(tmp_path / "out"), *options]) == 2
    assert f"sepvae: error: {message}" in capsys.readouterr().err


def test_a_mistake_in_a_file_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("copies: 0\nmethods: [gain]\n")
    assert main(["augment", "run", "CORPUS", "-o", str(tmp_path / "out"), "--config", str(path)]) == 2
    assert f"{path}: copies = 0" in capsys.readouterr().err
    assert main(["mix", "CORPUS", "-o", str(tmp_path / "m.jsonl"), "--room", "--set", "room.foo=1"]) == 2
    assert "error: --set: unknown key 'room.foo': known keys are" in capsys.readouterr().err


def shown_settings(text: str, title: str) -> list[str]:
    """Return the settings below a title of the help, as `--set` takes them."""
    _, found, rest = text.partition(f"\n{title}")
    assert found, title
    lines = itertools.takewhile(lambda line: line.startswith("      "), rest.partition("\n")[2].splitlines())
    return [part for line in lines for part in line.split() if "=" in part]


@pytest.mark.parametrize(
    ("line", "title", "config", "base"),
    [
        ("mix --help", "settings, and their usual values", MixingConfig, {}),
        ("mix --help", "with --room:", MixingConfig, {"room": {}}),
        ("enhance --help", "settings, and their usual values", EnhancementConfig, {}),
        ("enhance --help", "with --inference map:", EnhancementConfig, {}),
        ("train --help", "settings of the preset temporal_vae", TrainingConfig, preset("temporal_vae")),
        ("train --speech --help", "settings of the preset segment_conv", TrainingConfig, preset("segment_conv")),
        ("train --preset vae --help", "settings of the preset vae", TrainingConfig, preset("vae")),
    ],
)
def test_help_lists_every_setting_as_it_is_set(
    line: str, title: str, config: type[Config], base: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(line.split())
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    settings = shown_settings(text, title)
    assert len(settings) > 1
    usual = parse_config(config, base, where="usual")
    for setting in settings:
        assert compose(config, base=base, overrides=[setting]) == usual, setting
    if "--room" not in title and "--inference" not in title and line != "enhance --help":
        assert dict(flat(usual.model_dump(mode="json"))).keys() == {one.partition("=")[0] for one in settings}

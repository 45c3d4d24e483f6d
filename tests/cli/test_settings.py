"""What `sepvae train` trains: its own default, unless a model or an objective is chosen."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.cli import main
from sepvae.cli.arguments import read_settings
from sepvae.settings import preset
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

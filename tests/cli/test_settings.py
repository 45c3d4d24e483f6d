"""What `sepvae train` trains: its own default, unless a model or an objective is chosen."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

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

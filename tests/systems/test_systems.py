"""What systems say of a state or rate that they cannot work with."""

from __future__ import annotations

from pathlib import Path

import pytest

from sepvae.errors import CheckpointError, ConfigError
from sepvae.testing.systems import build, corpus


def test_nmf_without_its_atoms_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no atoms.safetensors: train the system first"):
        build("nmf", {}).load(tmp_path, device="cpu")
    (tmp_path / "atoms.safetensors").write_bytes(b"\0")
    with pytest.raises(CheckpointError, match="damaged weights file"):
        build("nmf", {}).load(tmp_path, device="cpu")


def test_source_models_check_rate_and_state() -> None:
    with pytest.raises(ConfigError, match=r"frontend.sample_rate = 8000: the mixtures are at 16000 Hz, give that"):
        build("source_models", {"frontend": {"sample_rate": 8000}})
    with pytest.raises(ConfigError, match="this system has not been loaded: call load first"):
        build("source_models", {}).separate(corpus()[1][0])

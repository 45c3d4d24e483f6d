"""Settings that cannot be are named with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sepvae.errors import ConfigError

from .conftest import augment


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["nosie"]}, "unknown augmentation 'nosie': did you mean 'noise'"),
        ({"methods": ["noise+noise"]}, "names an augmentation twice"),
        ({"methods": ["noise", "noise"]}, "names one twice: use copies"),
        ({"methods": []}, "methods"),
        ({"copies": 0}, "copies = 0"),
        ({"speed": {"factor": [1]}}, "did you mean 'factors'"),
        ({"band_pass": {}}, "band_pass: has settings, but the methods are reverberation, speed"),
        ({"output": {"format": "mp3"}}, "output.format: unknown format 'mp3': .*choose one of wav, flac, npy"),
        ({"output": {"format": "shar", "subtype": "float"}}, "subtype float: shar holds integers"),
        ({"output": {"contents": "samlpes"}}, "output.contents: unknown contents 'samlpes': did you mean 'samples'"),
        ({"synthesis": "vocoder"}, "unknown synthesis 'vocoder': choose one of filter, griffin_lim"),
        (
            {"output": {"format": "flac", "subtype": "float"}},
            "float: flac holds integers: choose pcm24, or format wav",
        ),
    ],
)
def test_impossible_settings_are_named(corpus: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        augment(corpus, tmp_path / "out", **settings)
    assert not list(tmp_path.glob("out/*"))

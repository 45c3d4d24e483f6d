"""Chains of augmentations."""

from __future__ import annotations

import pytest

from sepvae.augmentation.contract import split_chain
from sepvae.errors import ConfigError


def test_chains_are_taken_apart() -> None:
    assert split_chain("noise") == ("noise",)
    assert split_chain(" speed + noise") == ("speed", "noise")
    for chain in ("", "+", "noise+", "speed++noise"):
        with pytest.raises(ConfigError, match="unknown augmentation ''"):
            split_chain(chain)

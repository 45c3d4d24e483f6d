"""What networks cannot be put together with is refused before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.kinds import make_estimator

SMALL = {"hidden": 4, "latent": 2, "encoder_blocks": 1, "decoder_blocks": 0}


def config(kind: str, **settings: Any) -> EstimatorConfig:
    return parse_config(EstimatorConfig, {"model": {"kind": kind, "settings": SMALL}, **settings}, where="test")


@pytest.mark.parametrize(
    "settings",
    [
        {"mask": "wiener"},
        {"frontend": {"target": {"kind": "power"}}},
        {"frontend": {"target": {"kind": "log_power"}}},
        {"frontend": {"input": {"kind": "mel"}}},
        {"frontend": {"target": {"kind": "complex"}}, "mask": "direct"},
    ],
)
def test_shares_are_of_magnitudes_and_are_the_mask(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="mask_vae gives shares of magnitudes"):
        config("mask_vae", **settings)
    assert config("mask_vae").mask == "ratio"


@pytest.mark.parametrize("kind", ["mask_vae", "temporal_vae"])
def test_a_source_that_is_alone_has_nothing_to_share(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind} shares a mixture out among its sources, and ann is alone"):
        make_estimator(config(kind), ["ann"])
    assert make_estimator(config(kind), ["ann", "bob"]).sources == ("ann", "bob")

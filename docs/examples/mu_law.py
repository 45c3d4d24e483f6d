"""An augmentation of one's own: the coarse samples of an old telephone.

sepvae augment run DIR -o out --methods mu_law,speed+mu_law --plugin docs/examples/mu_law.py
"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

import sepvae
from sepvae.audio import Wave
from sepvae.augmentation.contract import Augmentation, DrawContext
from sepvae.config import Config


class MuLawConfig(Config):
    """How many bits a sample may have; each number is as likely as any other."""

    bits: tuple[Annotated[int, Field(ge=2, le=16)], ...] = Field((4, 6, 8), min_length=1)


class MuLaw(Augmentation):
    """Rounds samples as a telephone does, the louder the coarser (ITU-T G.711)."""

    Config = MuLawConfig
    name = "mu_law"

    def draw(self, context: DrawContext) -> dict[str, Any]:
        return {"bits": int(context.stream.choice(self.config.bits))}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        mu, steps = 255.0, 2.0 ** (parameters["bits"] - 1)
        coded = np.round(np.log1p(mu * np.minimum(np.abs(wave), 1)) / np.log1p(mu) * steps) / steps
        return (np.sign(wave) * np.expm1(coded * np.log1p(mu)) / mu).astype(np.float32)


sepvae.register("augmentation", "mu_law", MuLaw)

"""How noisy recordings are enhanced: the size of the noise model, the gains, and the inference of the speech."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sepvae.config import Config
from sepvae.enhancement.contract import InferenceChoice
from sepvae.limits import Seed

GainKind = Literal["none", "mm", "gamma"]


class EnhancementConfig(Config):
    """What is fitted to a noisy recording, and how.

    `inference` is how the latents of the speech are found: drawn from their posterior (`mcem`), or fast, by the most
    likely ones (`map`) or by chains that follow the gradient (`langevin`). The noise has `n_components` spectra. The
    speech of each frame has a `gain`: 1 (`none`), the most likely one (`mm`), or one with the prior Gamma(1, 1) that is
    found together with the latents (`gamma`). Latents and noise are updated in turn, `n_iterations` times; of a few
    seconds, more iterations or components let the noise learn the speech by heart.
    """

    inference: InferenceChoice = InferenceChoice()
    n_components: int = Field(8, ge=1, le=1000)
    n_iterations: int = Field(25, ge=1, le=100_000)
    gain: GainKind = "gamma"
    seed: Seed = 0

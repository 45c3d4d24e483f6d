"""How noisy recordings are enhanced: the size of the noise model, the kind of inference and its settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sepvae.config import Config

GainKind = Literal["none", "mm", "gamma"]


class McemConfig(Config):
    """Metropolis–Hastings: moves of `step_std`, `burn_in` of them forgotten, then `n_samples` kept (Leglaive 2018)."""

    n_samples: int = Field(10, ge=1, le=10_000)
    burn_in: int = Field(10, ge=0, le=10_000)
    step_std: float = Field(0.1, gt=0)


class MapConfig(Config):
    """Adam towards the most likely latents: steps for each update of the noise, and their size."""

    n_steps: int = Field(3, ge=1, le=10_000)
    learning_rate: float = Field(0.02, gt=0)


class LangevinConfig(Config):
    """Langevin dynamics: chains side by side, steps for each update of the noise, and their size."""

    n_chains: int = Field(4, ge=1, le=1000)
    n_steps: int = Field(3, ge=1, le=10_000)
    step_size: float = Field(0.02, gt=0)


class EnhancementConfig(Config):
    """What is fitted to a noisy recording, and how.

    `method` is how the latents of the speech are found: drawn from their posterior (`mcem`), or fast, by the most
    likely ones (`map`) or by chains that follow the gradient (`langevin`). The noise has `n_components` spectra. The
    speech of each frame has a `gain`: 1 (`none`), the most likely one (`mm`), or one with the prior Gamma(1, 1) that is
    found together with the latents (`gamma`). Latents and noise are updated in turn, `n_iterations` times; of a few
    seconds, more iterations or components let the noise learn the speech by heart.
    """

    method: Literal["mcem", "map", "langevin"] = "map"
    n_components: int = Field(8, ge=1, le=1000)
    n_iterations: int = Field(50, ge=1, le=100_000)
    gain: GainKind = "gamma"
    seed: int = Field(0, ge=0)
    mcem: McemConfig = McemConfig()
    map: MapConfig = MapConfig()
    langevin: LangevinConfig = LangevinConfig()

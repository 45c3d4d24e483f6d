"""What separates a recording of several microphones, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.frontend.stft import StftConfig

Algorithm = Literal["auxiva", "ilrma", "mvae", "fastmvae", "fastmvae2", "gmvae"]
NEURAL = ("mvae", "fastmvae", "fastmvae2", "gmvae")
# What each algorithm does when nothing else is said: those without steps make none.
_USUAL: dict[str, dict[str, float]] = {
    "auxiva": {"iterations": 60, "tolerance": 1e-4},
    "ilrma": {"iterations": 100, "tolerance": 1e-4},
    "fastmvae": {"iterations": 60, "tolerance": 1e-4},
    "mvae": {"iterations": 60, "tolerance": 1e-3, "steps": 5, "learning_rate": 0.1},
    "fastmvae2": {"iterations": 60, "tolerance": 1e-3, "steps": 3, "learning_rate": 0.1},
    "gmvae": {"iterations": 30, "steps": 10, "learning_rate": 0.05},
}


class WpeConfig(Config):
    """Prediction of the late reverberation of each source from `n_taps` frames, the first `delay` frames ago."""

    delay: int = Field(2, ge=1, le=100)
    n_taps: int = Field(3, ge=1, le=100)


class PostfilterConfig(Config):
    """A multichannel Wiener filter behind the demixing: full-rank spatial covariances, variances of the source model.

    They start as what the demixing says, with a share `full_rank` of the power of a source arriving from everywhere.
    """

    iterations: int = Field(8, ge=0, le=10_000)
    full_rank: float = Field(0.1, gt=0, lt=1)


class DirectionsConfig(Config):
    """Where GMVAE starts with fewer microphones than talkers: their delays between the first two microphones.

    `max_delay_ms` is the longest there can be, the distance of the two over the speed of sound: 0.24 ms are 8 cm.
    `start_iterations` of a factorisation into `n_bases` spectra of each talker follow.
    """

    max_delay_ms: float = Field(0.24, gt=0, le=100)
    n_bases: int = Field(6, ge=1, le=1000)
    start_iterations: int = Field(25, ge=0, le=10_000)


class DemixingConfig(Config):
    """An algorithm and its settings.

    `auxiva` and `ilrma` need no model; the others a conditional VAE of speech. All but these two start from
    `start_iterations` of AuxIVA. Then they make `iterations` of their own, 60 when not given (`ilrma` 100, `gmvae` 30),
    and fewer when one changes the objective per bin and frame by less than `tolerance`, 1e-4 when not given, 1e-3 of
    `mvae` and `fastmvae2`; `gmvae` makes them all. `density` is AuxIVA's, `n_bases` the spectra that ILRMA gives each
    source. `steps` of Adam fit the voices at each iteration, when not given 5 of `mvae`, 10 of `gmvae` and 3 of
    `fastmvae2`; with 0 of them `fastmvae2` is the published one, whose inference has the last word. Their
    `learning_rate` is 0.1 when not given, 0.05 of `gmvae`. `gmvae` is for more talkers than microphones too: it fits
    spatial covariances, for which `directions` says where it starts then. `stft` is that of AuxIVA and ILRMA; a model
    has its own. `precision` is that of the network's products: `auto` takes bfloat16 where the machine has units for
    it; the demixing is in double precision.
    """

    algorithm: Algorithm = "fastmvae2"
    stft: StftConfig = StftConfig(window_ms=128, hop_ms=32)
    density: Literal["laplace", "gauss"] = "gauss"
    n_bases: int = Field(2, ge=1, le=1000)
    update: Literal["ip", "iss"] = "ip"
    start_iterations: int = Field(40, ge=0, le=10_000)
    iterations: int = Field(60, ge=1, le=10_000)
    tolerance: float = Field(0.0, ge=0)
    steps: int = Field(0, ge=0, le=10_000)
    learning_rate: float = Field(0.1, gt=0)
    wpe: WpeConfig | None = None
    postfilter: PostfilterConfig | None = None
    directions: DirectionsConfig = DirectionsConfig()
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _as_usual(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        algorithm = values.get("algorithm", cls.model_fields["algorithm"].default)
        return {**(_USUAL.get(algorithm, {}) if isinstance(algorithm, str) else {}), **values}

    @model_validator(mode="after")
    def _fits_together(self) -> DemixingConfig:
        patient = [name for name, usual in _USUAL.items() if "steps" in usual]
        if self.steps and self.algorithm not in patient:
            raise ConfigError(f"steps: {self.algorithm} makes none: leave it out, or choose {', '.join(patient)}")
        if self.tolerance and self.algorithm == "gmvae":
            raise ConfigError("tolerance: gmvae makes all its iterations: leave it out, or ask for fewer iterations")
        if self.steps == 0 and self.algorithm in ("mvae", "gmvae"):
            raise ConfigError(f"steps: {self.algorithm} needs 1 or more; fastmvae2 does without")
        if self.algorithm == "gmvae" and self.wpe is not None:
            raise ConfigError("wpe: gmvae has no demixing matrices to put it into: leave wpe out")
        if self.algorithm == "gmvae" and self.postfilter is not None:
            raise ConfigError("postfilter: gmvae is a multichannel Wiener filter itself: leave postfilter out")
        if self.wpe is not None and self.update == "iss":
            raise ConfigError("wpe: goes with update = ip: set that, or leave wpe out")
        return self

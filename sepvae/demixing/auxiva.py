"""AuxIVA: all bins of a frame of a source have one variance (Ono 2011)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from sepvae.demixing.algorithm import BlindConfig, DemixingAlgorithm
from sepvae.demixing.contract import Fitted

# A Laplace distribution of the norm of each frame, or a Gaussian.
Density = Literal["laplace", "gauss"]

_LEAST = 1e-12
_SILENCE = 1e-30


class AuxIvaVariances:
    """A Laplace distribution of the norm of each frame, or a Gaussian whose variance varies with time.

    Args:
        density: `laplace` with −log p = 2‖y‖, or `gauss`.

    Source: Ono 2011; the Gaussian of Ono 2012.
    """

    def __init__(self, density: Density) -> None:
        self._density = density
        # The Laplace density has a fixed width; that of the Gaussian follows its source.
        self.has_scale = density == "gauss"

    def variances(self, power: Tensor) -> Tensor:
        """Return the variances of the frames (batch, sources, 1, frames)."""
        if self._density == "laplace":
            return power.sum(2, keepdim=True).sqrt().clamp_min(_LEAST)
        # The floor is a share of the source: an absolute one would flatten the first frames of a quiet recording.
        floor = (_LEAST * power.mean((2, 3), keepdim=True)).clamp_min(_SILENCE)
        return power.mean(2, keepdim=True).maximum(floor)

    def fit(self, power: Tensor) -> Fitted:
        """Take the variances that majorise the contrast at these powers (batch, sources, bins, frames)."""
        return Fitted(self.variances(power), self.contrast(power))

    def contrast(self, power: Tensor) -> Tensor:
        """Return the contrast (batch,)."""
        variances = self.variances(power)[:, :, 0]
        if self._density == "laplace":
            return 2 * variances.mean(-1).sum(-1)
        return power.shape[2] * (variances.log() + 1).mean(-1).sum(-1)

    def rescale(self, factors: Tensor) -> None:
        """Keep no scale of its own."""


class AuxIvaConfig(BlindConfig):
    """The `density` of the sources, the demixing and the STFT."""

    density: Density = "gauss"


class AuxIva(DemixingAlgorithm):
    """Whatever comes and goes together is a talker (Ono 2011)."""

    Config = AuxIvaConfig
    label = "AuxIVA"
    config: AuxIvaConfig

    def variances(self, n_batch: int, speakers: Tensor | None) -> AuxIvaVariances:  # noqa: ARG002
        """Return the variances, which are those of any batch."""
        return AuxIvaVariances(self.config.density)

"""Iterative projection with the true variances of the sources: one demixing matrix a bin that has been told the most.

It is no bound: variances that leave out what a room adds to a talker may give a better matrix than the true ones.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.demixing.contract import Fitted
from sepvae.demixing.loop import demix, identity
from sepvae.demixing.projection_back import project_back
from sepvae.errors import InputError
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.mixture import Rendered
from sepvae.systems.contract import Estimates, System

# Of the mean power of a source: what its variances are at least.
_FLOOR, _LEAST = 1e-9, 1e-30


class OracleDemixingConfig(Config):
    """The STFT, and iterations of the demixing."""

    stft: StftConfig = StftConfig(window_ms=128, hop_ms=32)
    iterations: int = Field(30, ge=1, le=10_000)


class _TrueVariances:
    """Variances that are known."""

    has_scale = False

    def __init__(self, variances: Tensor) -> None:
        self._variances = variances

    def fit(self, power: Tensor) -> Fitted:
        return Fitted(self._variances, self.contrast(power))

    def contrast(self, power: Tensor) -> Tensor:
        return (self._variances.log() + power / self._variances).mean(-1).sum((1, 2))

    def rescale(self, factors: Tensor) -> None:
        """Keep the scale, which is the true one."""


class OracleDemixing(System[OracleDemixingConfig]):
    """Demixes with the powers of the true images in place of a source model's."""

    Config = OracleDemixingConfig
    label, role, needs = "Oracle demixing", "informed", ("channels", "references")
    draws = False

    def __init__(self, config: OracleDemixingConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._stft = Stft(config.stft, sample_rate=sample_rate)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the images of the sources by the demixing matrices of their true variances."""
        if mixture.channels is None or len(mixture.channels) != len(mixture.sources):
            raise InputError("oracle_demixing needs as many microphones as sources: set mixing.room.n_microphones")
        truth = np.stack(list(mixture.sources.values())).astype(np.float64)
        # (1, sources, bins, frames)
        power = self._stft.analyse(torch.from_numpy(truth)).abs().square().transpose(1, 2)[None]
        variances = power + power.mean((2, 3), keepdim=True) * _FLOOR + _LEAST
        channels = torch.from_numpy(mixture.channels.astype(np.float64))
        spectrum = self._stft.analyse(channels).permute(2, 0, 1)[None]
        start = identity(spectrum, n_sources=len(truth))
        demixed = demix(spectrum, _TrueVariances(variances), n_iterations=self._config.iterations, demixing=start)
        self.diagnostics = {"demixing": demixed.demixing[0].numpy(), "objective": demixed.objective[:, 0].numpy()}
        images = project_back(demixed.demixing, demixed.separated)[0].permute(1, 2, 0)
        waves = self._stft.synthesise(images, n_samples=truth.shape[1]).numpy().astype(np.float32)
        return dict(zip(mixture.sources, waves, strict=True))

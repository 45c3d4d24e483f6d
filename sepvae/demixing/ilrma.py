"""ILRMA: sources of low rank, a few spectra times their activations (Kitamura et al. 2016)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from sepvae.demixing.algorithm import BlindConfig, DemixingAlgorithm
from sepvae.demixing.contract import Fitted
from sepvae.limits import Seed
from sepvae.seeds import torch_generator

# Of the mean power of a source: a spectrum of its own that all sources have, so that no variance is 0.
_FLOOR = 1e-10
_LEAST = 1e-30
# A source below this mean power is silent: its variances have inverses in single precision.
_SILENCE = 1e-25


class IlrmaVariances:
    """A non-negative matrix factorisation of each source, fitted by the Itakura–Saito divergence.

    Args:
        n_bases: spectra of each source.
        generators: one stream of random numbers for each recording of the batch, so that a batch of one is as one of
            a batch.

    Source: Kitamura et al. 2016.
    """

    has_scale = True

    def __init__(self, n_bases: int, generators: list[torch.Generator]) -> None:
        self._n_bases, self._generators = n_bases, generators
        self._bases = self._activations = self._level = torch.empty(0)

    def _start(self, power: Tensor) -> None:
        _, n_sources, n_bins, n_frames = power.shape

        def draw(*shape: int) -> Tensor:
            values = [torch.rand(n_sources, *shape, generator=g, dtype=torch.float64) for g in self._generators]
            return torch.stack(values).to(power) * 0.9 + 0.1

        self._bases = draw(n_bins, self._n_bases)
        self._activations = draw(self._n_bases, n_frames) / self._n_bases
        # Squares of variances of any level would not fit into single precision.
        self._level = power.mean((2, 3), keepdim=True).clamp_min(_SILENCE)

    def _shape(self) -> Tensor:
        """Return the variances at a level of 1."""
        return self._bases @ self._activations + _FLOOR

    def fit(self, power: Tensor) -> Fitted:
        """Update bases and activations once to powers (batch, sources, bins, frames)."""
        if not self._bases.numel():
            self._start(power)
        relative = power / self._level
        inverse = 1 / self._shape()
        ratio = relative * inverse.square()
        rows = self._activations.transpose(2, 3)
        self._bases = (self._bases * ((ratio @ rows) / (inverse @ rows)).sqrt()).clamp_min(_LEAST)
        inverse = 1 / self._shape()
        ratio = relative * inverse.square()
        columns = self._bases.transpose(2, 3)
        factor = ((columns @ ratio) / (columns @ inverse)).sqrt()
        self._activations = (self._activations * factor).clamp_min(_LEAST)
        return Fitted(self._shape() * self._level, self.contrast(power))

    def contrast(self, power: Tensor) -> Tensor:
        """Return the contrast (batch,)."""
        variances = self._shape() * self._level
        return (variances.log() + power / variances).mean(-1).sum((1, 2))

    def rescale(self, factors: Tensor) -> None:
        """Multiply the level."""
        self._level = self._level * factors[:, :, None, None]


class IlrmaConfig(BlindConfig):
    """How many spectra each source has, from which `seed` they start, the demixing and the STFT."""

    iterations: int = Field(100, ge=1, le=10_000)
    n_bases: int = Field(2, ge=1, le=1000)
    seed: Seed = 0


class Ilrma(DemixingAlgorithm):
    """A talker is a few spectra that come and go (Kitamura et al. 2016)."""

    Config = IlrmaConfig
    label = "ILRMA"
    config: IlrmaConfig

    def variances(self, n_batch: int, speakers: Tensor | None) -> IlrmaVariances:  # noqa: ARG002
        """Return a factorisation that has not begun."""
        generators = [torch_generator(self.config.seed, "ilrma") for _ in range(n_batch)]
        return IlrmaVariances(self.config.n_bases, generators)

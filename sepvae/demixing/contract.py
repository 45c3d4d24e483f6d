"""What a model of the sources offers to the demixing loop; the algorithms differ in nothing else."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Fitted(NamedTuple):
    """Variances of the sources, and what they cost.

    `variances` is (batch, sources, bins or 1, frames), `contrast` (batch,) the part of the objective that the source
    model decides: −log p(y) of the separated spectra under it, up to constants, summed over sources and bins and
    averaged over frames.
    """

    variances: Tensor
    contrast: Tensor


class SourceVariances(Protocol):
    """A model of the powers of the separated sources, adapted to one batch of recordings.

    `monotone` says that `fit` never raises the contrast. `has_scale` says that the model follows a change of scale of
    its source, so that the demixing matrices may be rescaled with it.
    """

    monotone: bool
    has_scale: bool

    def fit(self, power: Tensor) -> Fitted:
        """Adapt to the powers |y|² (batch, sources, bins, frames) of the separated spectra."""
        ...

    def contrast(self, power: Tensor) -> Tensor:
        """Return the contrast (batch,) of powers as the model is now."""
        ...

    def rescale(self, factors: Tensor) -> None:
        """Follow sources whose power was multiplied by factors (batch, sources); only with `has_scale`."""
        ...

"""What a source model offers to the demixing loop, and what every algorithm makes of recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from sepvae.demixing import ALGORITHMS
from sepvae.estimator.speech_models import ConditionalEstimator
from sepvae.frontend.levels import rms_levels
from sepvae.models.network import ConditionalNetwork


class SpeechModel(NamedTuple):
    """A model of speech as the algorithms need it.

    `levels` gives of powers (sources, frames, bins) the levels (sources, 1, 1) of whose squares the powers are parts
    when the `network` sees them: it is the rule under which it was trained.
    """

    network: ConditionalNetwork
    levels: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, estimator: ConditionalEstimator) -> SpeechModel:
        """Return the model of an estimator, with the rule of its front-end.

        One of the rule `whole` has learnt at a mean power of 1, whatever normalisation its settings name.
        """
        frontend = estimator.frontend
        return cls(estimator.network, rms_levels if frontend.config.levels == "whole" else frontend.levels_of_power)

    def seen(self, power: Tensor) -> Tensor:
        """Return what the network sees of powers (sources, frames, bins)."""
        return power / self.levels(power).square()


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

    `has_scale` says that the model follows a change of scale of its source, so that the demixing matrices may be
    rescaled with it. One that knows who speaks also has `log_classes` (batch, sources, classes).
    """

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


@dataclass(frozen=True)
class Separated:
    """What an algorithm made of a batch.

    `images` at the reference microphone (batch, bins, sources, frames) complex; `objective` (iterations + 1, batch)
    from the start on, and without it, of another model, where GMVAE has more talkers than microphones; `n_iterations`
    that were made; `demixing` in terms of the microphones (batch, bins, sources, channels), None where there is none;
    `log_classes` (batch, sources, classes) of who speaks, None without a model.
    """

    images: Tensor
    objective: Tensor
    n_iterations: int
    demixing: Tensor | None
    log_classes: Tensor | None


def algorithms(**wanted: bool) -> str:
    """Return the names of the algorithms of some kind, for messages.

    Example:
        >>> "auxiva, " in algorithms(needs_model=False), "gmvae" in algorithms(underdetermined=True)
        (True, True)
    """
    entries = {name: ALGORITHMS.resolve(name) for name in ALGORITHMS}
    return ", ".join(
        name for name, entry in entries.items() if all(getattr(entry, key) is value for key, value in wanted.items())
    )
